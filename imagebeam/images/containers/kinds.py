"""Container kinds, recognised by file name."""

from enum import Enum

_ALL = 100_000
"""Members of one compressed container that one worker reads: more would be too many to sort."""

_SOME = 2_000


class Compression(Enum):
    """The compression of a stream."""

    GZIP = "gzip"
    BZIP2 = "bzip2"
    XZ = "xz"
    ZSTANDARD = "zstd"
    DEFLATE = "deflate"
    LZMA = "LZMA"


class ContainerKind(Enum):
    """A container's format and the compression of the whole file.

    Attributes:
        format: tar, zip, tfrecord, parquet, which stands for Arrow too, or nested: an archive
            inside an archive that must be decompressed to be read.
        compression: None where members can be read by position; otherwise the file is read from
            its start.
        read_together: number of members that one reader should read in order: all of those in a
            compressed stream, some of a Parquet file, whose neighbours are compressed together.
    """

    format: str
    compression: Compression | None
    read_together: int

    TAR = ("tar", None)
    TAR_GZIP = ("tar", Compression.GZIP)
    TAR_BZIP2 = ("tar", Compression.BZIP2)
    TAR_XZ = ("tar", Compression.XZ)
    TAR_ZSTANDARD = ("tar", Compression.ZSTANDARD)
    ZIP = ("zip", None)
    TFRECORD = ("tfrecord", None)
    TFRECORD_GZIP = ("tfrecord", Compression.GZIP)
    PARQUET = ("parquet", None)
    NESTED = ("nested", None)

    def __init__(self, format: str, compression: Compression | None) -> None:  # noqa: A002
        self.format = format
        self.compression = compression
        if compression is not None or format == "nested":
            self.read_together = _ALL
        else:
            self.read_together = _SOME if format == "parquet" else 1


SUFFIXES = {
    ".tar": ContainerKind.TAR,
    ".tar.gz": ContainerKind.TAR_GZIP,
    ".tgz": ContainerKind.TAR_GZIP,
    ".tar.bz2": ContainerKind.TAR_BZIP2,
    ".tbz2": ContainerKind.TAR_BZIP2,
    ".tar.xz": ContainerKind.TAR_XZ,
    ".txz": ContainerKind.TAR_XZ,
    ".tar.zst": ContainerKind.TAR_ZSTANDARD,
    ".tzst": ContainerKind.TAR_ZSTANDARD,
    ".zip": ContainerKind.ZIP,
    ".tfrecord": ContainerKind.TFRECORD,
    ".tfrecords": ContainerKind.TFRECORD,
    ".tfrecord.gz": ContainerKind.TFRECORD_GZIP,
    ".tfrecords.gz": ContainerKind.TFRECORD_GZIP,
    ".parquet": ContainerKind.PARQUET,
    ".arrow": ContainerKind.PARQUET,
    ".feather": ContainerKind.PARQUET,
}
"""File names that are taken as containers, in any case. A table may be a manifest."""

_SUFFIXES = tuple(SUFFIXES)


def kind_of(name: str) -> ContainerKind | None:
    """Return the kind of container that a file name stands for, or None."""
    return SUFFIXES.get(suffix_of(name))


def suffix_of(name: str) -> str:
    """Return the end of a file name that stands for a kind of container; "" if none does."""
    lowered = name.lower()
    # Most names in a long manifest are not containers.
    if not lowered.endswith(_SUFFIXES):
        return ""
    return max(filter(lowered.endswith, SUFFIXES), key=len)
