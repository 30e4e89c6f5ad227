"""Tell the kind of a file named as INPUT: by its name, or else by its content."""

from typing import IO, Any, Literal, cast

from imagebeam.images import signatures, uris
from imagebeam.images.containers.content_kinds import SNIFFED_BYTES, kind_of_content
from imagebeam.images.containers.decompression_process import decompressed_head
from imagebeam.images.containers.kinds import Compression, ContainerKind, kind_of
from imagebeam.images.containers.types import CONTAINER_ERRORS, UnsupportedContainerError
from imagebeam.images.errors import InputError
from imagebeam.images.foreign_kinds import foreign_kind
from imagebeam.images.listing.manifests import manifest_files
from imagebeam.images.listing.manifests.entries import URI_COLUMN, ManifestError, NoColumnError
from imagebeam.images.listing.manifests.formats import (
    HEAD_BYTES,
    Format,
    compression_of,
    format_of_name,
    format_of_text,
    is_text,
)
from imagebeam.images.listing.names import is_image_name, judge_content
from imagebeam.images.settings import Access
from imagebeam.storage import StoreError, store_for
from imagebeam.storage.errors import UnexpectedError, Unsupported

FileKind = Literal["manifest", "container", "images"]

REPORT_IT = "Report it, and leave this input out."
"""The fix where the package is at fault, and not the input."""

_FIRST_ROWS = 8
_TEXT_FIX = (
    "it is text, but its name does not tell the format. Rename it to .txt (one name per line), "
    ".csv, .tsv or .jsonl"
)


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
            address: of the file.
            text: the input as the user typed it, for messages.

        Raises:
            InputError: it is nothing that can be read.
        """
        name = uris.path(address).rpartition("/")[2]
        form = format_of_name(name)
        if form is not None and form.format is Format.PARQUET:
            return self._table_kind(address, text)
        if form is not None:
            return "manifest"
        if kind_of(name) is not None:
            return "container"
        # A web address often has no suffix, and asking for its content may take long.
        if is_image_name(name) or uris.scheme(address) in ("http", "https"):
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
                return manifest_files.columns(cast(IO[bytes], file), name, self._uri_column)
        except NoColumnError:
            raise
        except (ManifestError, *CONTAINER_ERRORS) as error:
            raise InputError(f"{text}: {error}") from error
        except (StoreError, OSError) as error:
            raise unreachable(text, error) from error

    def _kind_of_content(self, address: str, text: str) -> FileKind:
        try:
            with store_for(address, self._access.settings).open(address) as file:
                head = bytes(file.read(HEAD_BYTES))
        except (StoreError, OSError):
            # Its error row says why.
            return "images"
        if not head or judge_content(head) == "image":
            return "images"
        if foreign := foreign_kind(head):
            raise InputError(f"{text}: it is {foreign}.")
        if head.startswith(b"PAR1"):
            return self._table_kind(address, text)
        if head.startswith(b"ARROW1"):
            return "manifest"
        if kind := signatures.other_kind(head):
            if kind in signatures.NOT_PICTURES:
                raise InputError(f"{text}: it is a {kind}, not a picture. Leave it out.")
            return "images"
        inner = (
            decompressed_head(head, HEAD_BYTES) if compression_of(head) is Compression.GZIP else b""
        )
        if inner and is_text(inner):
            return self._text_kind(inner, text)
        if (
            kind_of_content(head[:SNIFFED_BYTES], ContainerKind.PARQUET)
            is not ContainerKind.PARQUET
        ):
            return "container"
        if compression_of(head) is not None:
            return "container"
        if is_text(head):
            return self._text_kind(head, text)
        raise InputError(
            f"{text}: its content is not a picture, an archive or a manifest that can be read. "
            "Leave it out, or convert it."
        )

    def _text_kind(self, head: bytes, text: str) -> FileKind:
        if format_of_text(head, self._uri_column or URI_COLUMN) is not None:
            return "manifest"
        raise InputError(f"{text}: {_TEXT_FIX}.")

    def _table_kind(self, address: str, text: str) -> FileKind:
        """Return whether a Parquet file names images or holds them."""
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
        """Return whether the first rows of a Parquet file's column of bytes are images.

        Several columns of bytes count too: the container says how to choose one.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        from imagebeam.images.containers.parquets import image_column

        try:
            with store_for(address, self._access.settings).open(address) as file:
                table = pq.ParquetFile(file)
                try:
                    column = image_column(table.schema_arrow, self._access.selection)
                except UnsupportedContainerError as error:
                    return "several" in str(error)
                batches = table.iter_batches(_FIRST_ROWS, columns=[column])
                values = next((batch.column(0) for batch in batches), None)
        except (StoreError, OSError, pa.ArrowException) as error:
            if isinstance(error, StoreError):
                raise unreachable(text, error) from error
            # The container says what is damaged.
            return True
        if values is None:
            return True
        if pa.types.is_struct(values.type):
            values = values.flatten()[0]
        heads = [bytes(value.as_buffer()[:HEAD_BYTES]) for value in values if value.is_valid]
        return not heads or any(judge_content(head) == "image" for head in heads)


def unreachable(text: str, error: StoreError | OSError) -> InputError:
    """Return the error for an input that cannot be read."""
    if isinstance(error, Unsupported):
        # Its text states the fix; another name or permission would not help.
        return InputError(f"{text}: {error}.")
    if isinstance(error, UnexpectedError):
        return InputError(f"{text}: {error}. {REPORT_IT}")
    reason = error if isinstance(error, StoreError) else error.strerror or error
    return InputError(f"{text}: {reason}. Check its name and your rights to read it.")
