"""Find the kind of a file named as INPUT: by its name, or else by its content."""

from contextlib import closing, suppress
from itertools import islice
from typing import IO, Any, Literal, cast

from imagebeam.images import signatures, uris
from imagebeam.images.containers import zip_index
from imagebeam.images.containers.container import open_container
from imagebeam.images.containers.content_kinds import SNIFFED_BYTES, kind_of_content
from imagebeam.images.containers.decompression_process import decompressed_head
from imagebeam.images.containers.errors import ContainerError
from imagebeam.images.containers.kinds import Compression, ContainerKind, kind_of
from imagebeam.images.containers.streams import CheckedFile
from imagebeam.images.containers.types import Member
from imagebeam.images.errors import ArchiveUnsupported, ImageError, InputError
from imagebeam.images.foreign_kinds import foreign_kind
from imagebeam.images.listing.manifests import manifest_files
from imagebeam.images.listing.manifests.entries import URI_COLUMN, ManifestError, NoColumnError
from imagebeam.images.listing.manifests.formats import (
    COMPRESSIONS,
    HEAD_BYTES,
    Format,
    compression_of,
    form_of_table,
    format_of_name,
    format_of_text,
    is_text,
    read_head,
)
from imagebeam.images.listing.names import is_image_name, judge_content
from imagebeam.images.settings import Access
from imagebeam.storage import StoreError, store_for
from imagebeam.storage.errors import UnexpectedError, Unsupported

FileKind = Literal["manifest", "container", "images"]

REPORT_IT = "Report it, and leave this input out."
"""The fix where the package is at fault, and not the input."""

_FIRST_ROWS = 8
_LARGEST_ROW = 100_000_000


class FileKinds:
    """Recognises the kinds of files that are read in one way.

    Args:
        access: how files are read.
        uri_column: the column that names images; None is `uri`.
    """

    def __init__(self, access: Access, uri_column: str | None) -> None:
        self._access = access
        self._uri_column = uri_column

    def kind(self, address: str, text: str) -> FileKind:
        """Return what a file is.

        Args:
            text: the input as the user typed it, for messages.

        Raises:
            InputError: it is nothing that can be read.
        """
        name = uris.path(address).rpartition("/")[2]
        form = format_of_name(name)
        if form is not None and form.format in (Format.PARQUET, Format.ARROW):
            return self._table_kind(address, text)
        if form is not None:
            return "manifest"
        if kind_of(name) is not None:
            return "container"
        if is_image_name(name):
            return "images"
        return self._kind_of_content(address, text)

    def columns(self, address: str, text: str) -> dict[str, Any]:
        """Return the columns of a manifest with their Arrow types; none for plain lines.

        Raises:
            NoColumnError: no column names images.
            InputError: it cannot be read.
        """
        name = uris.path(address).rpartition("/")[2]
        try:
            with store_for(address, self._access.settings).open(address) as file:
                return manifest_files.columns(cast(IO[bytes], file), name, self._uri_column, text)
        except NoColumnError:
            raise
        except (ManifestError, ContainerError) as error:
            raise InputError(f"{text}: {error}") from error
        except (StoreError, OSError) as error:
            raise unreachable(text, error) from error

    def _kind_of_content(self, address: str, text: str) -> FileKind:
        try:
            with store_for(address, self._access.settings).open(address) as file:
                head = read_head(cast(IO[bytes], file))
                compression, inner = compression_of(head), b""
                if compression is not None:
                    inner = decompressed_head(cast(IO[bytes], file), compression, HEAD_BYTES)
                ends_as_zip = _kind_inside(head) is None and zip_index.is_at_end(
                    CheckedFile(cast(IO[bytes], file))
                )
        except (StoreError, OSError):
            # Its error row says why.
            return "images"
        if not head or judge_content(head) == "image":
            return "images"
        if ends_as_zip:
            return "container"
        if foreign := foreign_kind(head):
            raise InputError(f"{text}: it is {foreign}.")
        if form_of_table(head) is not None:
            return self._table_kind(address, text)
        if kind := signatures.other_kind(head):
            if kind in signatures.NOT_PICTURES:
                raise InputError(f"{text}: it is a {kind}, not a picture. Leave it out.")
            return "images"
        if compression is not None and inner:
            if judge_content(inner) == "image" and uris.scheme(address) in ("http", "https"):
                # The server may have compressed it: then it is decompressed when it is read.
                return "images"
            return self._compressed_kind(inner, compression, text)
        # A damaged file is taken for an archive, whose row says why.
        if compression is not None or _kind_inside(head) is not None:
            return "container"
        if is_text(head):
            return self._text_kind(head, text)
        raise InputError(
            f"{text}: its content is not a picture, an archive or a manifest that can be read. "
            "Leave it out. If it is an archive or a disk image, unpack it and name the folder."
        )

    def _compressed_kind(self, inner: bytes, compression: Compression, text: str) -> FileKind:
        """Return what a compressed file is whose name shows no kind.

        Raises:
            InputError: it is neither a manifest nor an archive.
        """
        kind = _kind_inside(inner)
        if kind is ContainerKind.TAR or (
            kind is ContainerKind.TFRECORD and compression is Compression.GZIP
        ):
            return "container"
        foreign = foreign_kind(inner)
        if is_text(inner) and foreign is None:
            return self._text_kind(inner, text, compression)
        if judge_content(inner) == "image":
            held = "a picture"
        elif kind is not None:
            held = "compressed data" if kind.compression else f"a file of the kind {kind.format}"
        else:
            held = (foreign or "nothing that can be read").partition(". ")[0]
        raise InputError(
            f"{text}: it is compressed by {compression.value} and holds {held}. Decompress it, and "
            "name what is in it."
        )

    def _text_kind(
        self, head: bytes, text: str, compression: Compression | None = None
    ) -> FileKind:
        if format_of_text(head, self._uri_column or URI_COLUMN) is not None:
            return "manifest"
        ending = next((end for end, each in COMPRESSIONS.items() if each is compression), "")
        kind = f"text, compressed by {compression.value}" if compression else "text"
        raise InputError(
            f"{text}: it is {kind}, but its name does not tell the format. If it lists images, "
            f"rename it to .txt{ending} (one name per line), .csv{ending}, .tsv{ending} or "
            f".jsonl{ending}."
        )

    def _table_kind(self, address: str, text: str) -> FileKind:
        """Return whether a Parquet or Arrow file names images or holds them."""
        if self._access.selection.image_column is not None:
            return "container"
        try:
            self.columns(address, text)
        except NoColumnError as error:
            if self._uri_column is not None or not self._holds_images(address, text):
                raise InputError(
                    f"{text}: {error} A column that holds the images themselves is named with "
                    "--image-column."
                ) from error
            return "container"
        return "manifest"

    def _holds_images(self, address: str, text: str) -> bool:
        """Return whether the first rows of a table's column of bytes are images.

        So are several columns of bytes: the container says how to choose one.
        """
        heads: list[bytes] = []
        try:
            with (
                store_for(address, self._access.settings).open(address) as opened,
                closing(
                    open_container(
                        cast(IO[bytes], opened), ContainerKind.PARQUET, self._access.selection
                    )
                ) as container,
            ):
                first = list(islice(container.look(), _FIRST_ROWS))
                for each in first:
                    if isinstance(each, Member):
                        with suppress(ImageError):
                            data = container.read(each.place, _LARGEST_ROW)
                            heads.append(data[:HEAD_BYTES])
                    elif isinstance(each.error, ArchiveUnsupported):
                        return "no column holds bytes" not in str(each.error)
        except StoreError as error:
            raise unreachable(text, error) from error
        except OSError:
            # The row of the container says why.
            return True
        return not heads or any(judge_content(head) == "image" for head in heads)


def _kind_inside(head: bytes) -> ContainerKind | None:
    """Return the kind of container that content shows, whatever its name."""
    kind = kind_of_content(head[:SNIFFED_BYTES], ContainerKind.NESTED)
    return None if kind is ContainerKind.NESTED else kind


def unreachable(text: str, error: StoreError | OSError) -> InputError:
    """Return the error for an input that cannot be read."""
    if isinstance(error, Unsupported):
        # Its text states the fix; another name or permission would not help.
        return InputError(f"{text}: {error}.")
    if isinstance(error, UnexpectedError):
        return InputError(f"{text}: {error}. {REPORT_IT}")
    reason = error if isinstance(error, StoreError) else error.strerror or error
    return InputError(f"{text}: {reason}. Check its name and your rights to read it.")
