"""Tell what a file is that is neither a picture, a container nor a manifest, for messages."""

import re

_KINDS = {
    "a 7z archive. Unpack it and name the folder": rb"7z\xbc\xaf\x27\x1c",
    "a RAR archive. Unpack it and name the folder": rb"Rar!\x1a\x07",
    "a cpio archive. Unpack it and name the folder": rb"07070[127]|\xc7\x71",
    "a cabinet file of Windows. Unpack it and name the folder": rb"MSCF\0\0\0\0",
    "compressed by lz4. Decompress it": rb"\x04\x22\x4d\x18",
    "compressed by `compress`. Decompress it": rb"\x1f[\x9d\xa0]",
    "compressed by lzip. Decompress it": rb"LZIP[\0\1]",
    "a PDF document. Extract its pictures and name their folder": rb"%PDF-",
    "an HDF5 file. Write its pictures to a TFRecord or Parquet file": rb"\x89HDF\r\n\x1a\n",
    "a NumPy array. Write its pictures to files": rb"\x93NUMPY",
    "an SQLite database. Export its names as a CSV file": rb"SQLite format 3\0",
    "an old Office document. Save its table as a CSV file": rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
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
