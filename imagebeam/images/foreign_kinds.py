"""Name the kinds of files that are neither pictures nor containers nor manifests, for messages."""

import re

_KINDS = {
    "a 7z archive. Unpack it and name the folder": rb"7z\xbc\xaf\x27\x1c",
    "a RAR archive. Unpack it and name the folder": rb"Rar!\x1a\x07",
    "a cpio archive. Unpack it and name the folder": rb"07070[127]|\xc7\x71",
    "a cabinet file of Windows. Unpack it and name the folder": rb"MSCF\0\0\0\0",
    "one part of a split zip. Join the parts: `zip -s 0 split.zip --out whole.zip`": (
        rb"PK\x07\x08"
    ),
    "an archive of `ar`, such as a package. Unpack it and name the folder": rb"!<arch>\n",
    "compressed by lzma. Decompress it": rb"\x5d\0\0(?s:..)(\xff{8}|(?s:.{4})\0{4})",
    "a program. If it unpacks itself, run it and name the folder": (
        rb"#!|\x7fELF|MZ(?s:.{62,500}?)PE\0\0"
    ),
    "what macOS notes about another file. Leave it out": rb"\0\x05\x16[\0\x07]|\0\0\0\x01Bud1",
    "compressed by lz4. Decompress it": rb"\x04\x22\x4d\x18",
    "compressed by `compress`. Decompress it": rb"\x1f[\x9d\xa0]",
    "compressed by lzip. Decompress it": rb"LZIP[\0\1]",
    "a PDF document. Extract its pictures and name their folder": rb"%PDF-",
    "an HDF5 file. Write its pictures to a TFRecord or Parquet file": rb"\x89HDF\r\n\x1a\n",
    "a text document. Save a list in it as plain text (.txt)": rb"\{\\rtf",
    "an IDX file of MNIST. Write its pictures to files": rb"\0\0[\x08\x09\x0b-\x0e][\x01-\x04]\0",
    "a NumPy array. Write its pictures to files": rb"\x93NUMPY",
    "an SQLite database. Export its names as a CSV file": rb"SQLite format 3\0",
    "an old Office document, or a cache of Windows. Save a table as CSV": (
        rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
    ),
    "an Avro file. Convert it to Parquet": rb"Obj\x01",
    "a RecordIO file of MXNet. Write its pictures to files": rb"\x0a\x23\xd7\xce",
    "an LMDB database. Write its pictures to files": rb"(?s:.{16})\xde\xc0\xef\xbe",
    # A list of names may begin with these letters.
    "an ORC file. Convert it to Parquet": rb"ORC(?![ -~]*[\r\n])",
    "a Feather file of version 1. Convert it to Parquet": rb"FEA1",
    "a pointer of Git LFS. Fetch the file itself with `git lfs pull`": rb"version https://git-lfs",
    "a web page, and not the file. Download it again": rb"\s*<(!DOCTYPE html|html)",
}
_MARKS = {
    text: re.compile(mark, re.IGNORECASE if "web page" in text else 0)
    for text, mark in _KINDS.items()
}


def foreign_kind(head: bytes) -> str | None:
    """Return what a file is that cannot be read, with the fix; None for other content.

    Args:
        head: its first bytes, 512 or more of a longer file.
    """
    return next((text for text, mark in _MARKS.items() if mark.match(head)), None)
