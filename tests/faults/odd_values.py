"""Odd words for a command line, and the odd files that some of them name."""

import os
from collections.abc import Mapping
from pathlib import Path

FOLDER = "odd"
"""The folder of the files, in the current folder of each command."""

VALUES: Mapping[str, str] = {
    "empty": "",
    "space": " ",
    "long": "x" * 5_000,
    "longer": "9" * 100_000,
    "minus one": "-1",
    "zero": "0",
    "half": "0.5",
    "one": "1",
    "huge": "9" * 20,
    "too large for a float": "1e999",
    "largest float": "1.7e308",
    "smallest float": "5e-324",
    "not a number": "nan",
    "infinite": "-inf",
    "Arabic digit": "\u0663",
    "superscript": "\u00b2",
    "underscore": "1_0",
    "share": "101%",
    "list": "1,,1",
    "comma": ",",
    "equals": "=",
    "two equals": "a=b=c",
    "unicode": "Stra\u00dfe \u00fc\U0001f4f7",
    "bytes that are not UTF-8": os.fsdecode(b"a\xff\xfe"),
    "control characters": "a\nb\r\x1b[31m\u202e",
    "option": "--json",
    "dash": "-",
    "two dashes": "--",
    "format": "{}{0.__class__}%s%n",
    "open bracket": "[",
    "open brace": "{a,b",
    "globs": "**/*",
    "variable": "$NO_SUCH_VARIABLE",
    "at": "@",
    "at missing file": "@odd/missing",
    "colon": ":",
    "header": "a: b\r\nc: d",
    "current folder": ".",
    "folder above": "..",
    "file": "odd/file",
    "file and slash": "odd/file/",
    "below a file": "odd/file/below",
    "empty file": "odd/empty",
    "folder": "odd/folder",
    "folder and slashes": "odd/folder//",
    "folder with files": "odd/full/",
    "back and forth": "odd/folder/../folder/./new",
    "missing": "odd/missing",
    "far missing": "odd/missing/far/away.csv",
    "pipe": "odd/pipe",
    "device": "odd/device",
    "link to nothing": "odd/nothing",
    "link to itself": "odd/loop",
    "unreadable file": "odd/unreadable",
    "unreadable folder": "odd/closed",
    "below an unreadable folder": "odd/closed/new",
    "below an unwritable folder": "odd/fixed/new",
    "spaces": "odd/a file  with spaces .jpg",
    "name with a newline": "odd/new\nline.csv",
    "name that is not UTF-8": os.fsdecode(b"odd/\xff\xfe.jsonl"),
    "unknown scheme": "foo://bar/x",
    "no bucket": "s3://",
    "no other bucket": "gs:///x",
    "no host": "http://",
    "open address": "http://[::1",
    "private host": "http://user:pw@127.0.0.1:9/x.jpg",
    "file URL": "file://elsewhere/odd/file",
    "one slash": "file:/odd",
}


def make_odd_files(folder: Path) -> None:
    """Make the files that the values name."""
    folder.mkdir()
    (folder / "file").write_text("uri,label\nx,y\n")
    (folder / "empty").touch()
    (folder / "folder").mkdir()
    (folder / "full").mkdir()
    (folder / "full" / "file").write_text("a")
    os.mkfifo(folder / "pipe")
    # Whoever replaces the link does not replace the device.
    (folder / "device").symlink_to("/dev/null")
    (folder / "nothing").symlink_to("no such file")
    (folder / "loop").symlink_to("loop")
    (folder / "unreadable").write_text("a")
    (folder / "unreadable").chmod(0)
    (folder / "closed").mkdir(0)
    (folder / "fixed").mkdir()
    (folder / "fixed" / "file").touch()
    (folder / "fixed").chmod(0o500)
    for name in ("a file  with spaces .jpg", "new\nline.csv", os.fsdecode(b"\xff\xfe.jsonl")):
        (folder / name).write_text("a")
