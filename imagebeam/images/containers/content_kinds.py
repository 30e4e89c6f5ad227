"""The kind of a container by its content, for files whose names are wrong."""

import tarfile

from imagebeam.images.containers.decompression_process import decompressed_head
from imagebeam.images.containers.kinds import Compression, ContainerKind
from imagebeam.storage import tfrecord

SNIFFED_BYTES = 512
"""Bytes from the start of a file that tell its kind: a tar's header is the longest."""

COMPRESSED = {
    b"\x1f\x8b": Compression.GZIP,
    b"BZh": Compression.BZIP2,
    b"\xfd7zXZ\0": Compression.XZ,
    b"\x28\xb5\x2f\xfd": Compression.ZSTANDARD,
}
"""The beginnings of compressed files."""

_BY_PARTS = {(kind.format, kind.compression): kind for kind in ContainerKind}


def kind_of_content(head: bytes, named: ContainerKind) -> ContainerKind:
    """Return the kind that the first bytes of a file show, or the one that its name stands for.

    Args:
        head: the first `SNIFFED_BYTES` of the file.
        named: the kind by name. It decides where the content does not: what a compressed file
            holds, for example.
    """
    if head.startswith((b"PK\3\4", b"PK\5\6")):
        return ContainerKind.ZIP
    if head.startswith(b"PAR1") or is_arrow(head):
        return ContainerKind.PARQUET
    compression = next((found for mark, found in COMPRESSED.items() if head.startswith(mark)), None)
    if compression is not None:
        held = named.format if named.format in ("tar", "tfrecord") else "tar"
        if compression is Compression.GZIP and _holds_records(head):
            held = "tfrecord"
        return _BY_PARTS.get((held, compression), named)
    if tfrecord.is_record_head(head[: tfrecord.HEAD_BYTES]):
        return ContainerKind.TFRECORD
    return ContainerKind.TAR if _is_tar(head) else named


def is_arrow(head: bytes) -> bool:
    """Return whether a file begins as an Arrow file does, or a stream with its first message."""
    size = int.from_bytes(head[4:8], "little")
    is_stream = head.startswith(b"\xff\xff\xff\xff") and 0 < size < 1 << 24 and size % 8 == 0
    return is_stream or head.startswith(b"ARROW1")


def _holds_records(head: bytes) -> bool:
    return tfrecord.is_record_head(decompressed_head(head, Compression.GZIP, tfrecord.HEAD_BYTES))


def _is_tar(head: bytes) -> bool:
    try:
        tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
    except (tarfile.HeaderError, ValueError):
        return False
    return True
