"""The closed list of failures of one image. `CODES` has every code, in the order of the flow.

Each failure costs its image one row in `errors/` and never affects another image. The docstring of
a class with a code is the cause that reports and the documentation show.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import ClassVar

from imagebeam.errors import ImagebeamError
from imagebeam.storage.errors import StoreError, describe_unexpected


class InputError(ImagebeamError, ValueError):
    """An INPUT of the command line that cannot be listed; states value, reason and fix."""


class ImageError(ImagebeamError):
    """A failure of one image. Its text is the `message` of the image's error row."""

    stage: ClassVar[str]
    """The step of the job that failed: list, fetch, decode or infer."""
    code: ClassVar[str]
    """Stable name of the failure, for programs."""
    retryable: ClassVar[bool]
    """True if the same image may succeed when it is tried again unchanged."""
    cause: ClassVar[str]
    fix: ClassVar[str]

    def __init_subclass__(cls, code: str = "", retryable: bool = False) -> None:
        super().__init_subclass__()
        if code:
            cls.code, cls.retryable, cls.cause = code, retryable, cls.__doc__ or ""


class ListingError(ImageError):
    """The input names the image in a way that cannot be followed."""

    stage = "list"


class UnreadableListing(ListingError, code="listing_failed", retryable=True):
    """A folder, or the rest of a manifest, could not be read."""

    fix = "Check its permissions and run again with --retry-failed."


class BadManifestEntry(ListingError, code="bad_entry"):
    """The manifest's entry is empty, malformed or has no usable `uri`."""

    fix = "Correct that line of the manifest."


class ArchiveDamaged(ListingError, code="archive_damaged", retryable=True):
    """The archive is damaged or cut short; images before the damage have rows of their own."""

    fix = "Copy or download it again; then run again with --retry-failed."


class ArchiveLimit(ListingError, code="archive_limit"):
    """The archive has too many members, or decompresses to far more than its size: a bomb."""

    fix = "Unpack it in a place with enough room, and give the folder as input."


class ArchiveUnsupported(ListingError, code="archive_unsupported", retryable=True):
    """The archive's compression is not installed, or no column in it holds images."""

    fix = "Follow the row's message; then run again with --retry-failed."


class UnexpectedListing(ListingError, code="listing_defect", retryable=True):
    """Listing met an exception that it does not expect: a defect of imagebeam."""

    fix = "Report the row's message; run again with --retry-failed under a newer version."


class FetchError(ImageError):
    """The bytes of the image could not be read."""

    stage = "fetch"


class UnsupportedScheme(FetchError, code="unsupported_scheme"):
    """The URI's scheme is not one that can be read."""

    fix = "Copy the image to a place that can be read and name that."


class NotFound(FetchError, code="not_found", retryable=True):
    """Nothing exists under that name: moved, deleted, or a dangling link."""

    fix = "Restore the file or correct the manifest; then run again with --retry-failed."


class PermissionDenied(FetchError, code="permission_denied", retryable=True):
    """The user that runs the job may not read the file."""

    fix = "Grant read permission; then run again with --retry-failed."


class NotAFile(FetchError, code="not_a_file"):
    """The name belongs to a folder, pipe, socket or device."""

    fix = "Name a regular file."


class FileTooLarge(FetchError, code="file_too_large"):
    """The file has more bytes than --max-image-bytes."""

    fix = "Raise --max-image-bytes if the picture is meant to be that large."


class BadMember(FetchError, code="bad_member"):
    """The archive's member is a link, encrypted, empty of an image, or damaged."""

    fix = "Pack the archive anew, with plain files and without a password."


class NoCredentials(FetchError, code="no_credentials", retryable=True):
    """No credentials for the store were found in the usual places."""

    fix = "Provide them as the row's message says; then run again with --retry-failed."


class FetchTimeout(FetchError, code="fetch_timeout", retryable=True):
    """The bytes did not arrive within --read-seconds, retries included."""

    fix = "Run again with --retry-failed, or raise --read-seconds."


class Throttled(FetchError, code="throttled", retryable=True):
    """The server keeps asking for fewer requests."""

    fix = "Lower --concurrent-reads; then run again with --retry-failed."


class ConnectionFailed(FetchError, code="connection_failed", retryable=True):
    """The server cannot be reached, or closed the connection each time."""

    fix = "Check name and network; then run again with --retry-failed."


class WrongBytes(FetchError, code="wrong_bytes", retryable=True):
    """More, fewer or other bytes arrived than the server announced."""

    fix = "Run again with --retry-failed."


class DigestMismatch(FetchError, code="digest_mismatch", retryable=True):
    """The bytes do not have the digest that the manifest states (--check-digest)."""

    fix = "Get the image again or correct the manifest; then run again with --retry-failed."


class Changed(FetchError, code="changed", retryable=True):
    """The object was replaced between listing and reading."""

    fix = "Wait until nothing writes there; then run again with --retry-failed."


class BlockedAddress(FetchError, code="blocked_address"):
    """The URL, or a redirect, leads to a private address or a metadata server."""

    fix = "Add --allow-private-hosts if the host is yours."


class TooManyRedirects(FetchError, code="too_many_redirects"):
    """The server redirected more than five times."""

    fix = "Name the address that the redirects end at."


class OptedOut(FetchError, code="opted_out"):
    """The server's X-Robots-Tag forbids machine use (noai, noindex and similar)."""

    fix = "Leave it out, or add --ignore-opt-outs if the images are yours."


class ReadFailed(FetchError, code="read_failed", retryable=True):
    """The disk or the server reported an error, or the server refuses such a request."""

    fix = "Check the disk, mount or URL; then run again with --retry-failed."


class UnexpectedFetch(FetchError, code="fetch_defect", retryable=True):
    """Reading met an exception that it does not expect: a defect of imagebeam."""

    fix = "Report the row's message; run again with --retry-failed under a newer version."


class DecodeError(ImageError):
    """The bytes are not a usable picture."""

    stage = "decode"


class EmptyFile(DecodeError, code="empty_file"):
    """The file has no bytes."""

    fix = "Restore the file from its source."


class UnsupportedFormat(DecodeError, code="unsupported_format"):
    """The content is not a picture of a kind that is decoded, whatever its name says."""

    fix = "Convert it, or leave it out of the input."


class UnsupportedPixels(DecodeError, code="unsupported_pixels"):
    """Pixels are 32-bit integers, floats, LAB or rarer, without an agreed black and white."""

    fix = "Convert it to 8 or 16 bits per channel."


class TooManyPixels(DecodeError, code="too_many_pixels"):
    """The header announces more pixels than --max-image-pixels: huge, or a bomb."""

    fix = "Raise --max-image-pixels if the picture is meant to be that large."


class Truncated(DecodeError, code="truncated"):
    """The data ends before the picture does."""

    fix = "Copy or download it again; then run again with --retry-failed truncated."


class Corrupt(DecodeError, code="corrupt"):
    """The data is damaged: the decoder refuses it."""

    fix = "Restore the file from its source."


class DecodeTimeout(DecodeError, code="decode_timeout", retryable=True):
    """Reading and decoding took longer than --decode-seconds: a hang, or a slow disk."""

    fix = "Raise --decode-seconds if the machine is slow; then run again with --retry-failed."


class DecodeCrash(DecodeError, code="decode_crash", retryable=True):
    """The decoding process died on this image, twice: a fault in the decoder's C code."""

    fix = "Convert the picture with another tool, or update Pillow and use --retry-failed."


class DecodeMemory(DecodeError, code="decode_memory", retryable=True):
    """Decoding needed more memory than --decode-memory."""

    fix = "Raise --decode-memory if the picture is meant to be that large; use --retry-failed."


class InferenceError(ImageError):
    """The module gave no usable result for this image."""

    stage = "infer"


class InferenceFailed(InferenceError, code="inference_failed", retryable=True):
    """The module raised an error on this image when it ran alone, or ended its process, twice."""

    fix = "Try --engine tensorflow; if it persists, the module cannot take this picture."


class NotFinite(InferenceError, code="not_finite"):
    """The module returned values that are not finite."""

    fix = "Try --engine tensorflow; if it persists, the module is damaged."


def _leaves(root: type[ImageError]) -> list[type[ImageError]]:
    below = root.__subclasses__()
    return [leaf for child in below for leaf in _leaves(child)] if below else [root]


CODES: Mapping[str, type[ImageError]] = MappingProxyType(
    {leaf.code: leaf for leaf in _leaves(ImageError)}
)
"""Every code that an error row can carry, in the order of the flow."""


@contextmanager
def translate_store_errors() -> Iterator[None]:
    """Raise every exception of the block as the error of the image that was to be read.

    Raises:
        ImageError: in place of any `Exception`, so that no untrusted bytes end a job.
    """
    try:
        yield
    except ImageError:
        raise
    except StoreError as error:
        raise CODES[error.code](str(error)) from error
    except OSError as error:
        raise ReadFailed(error.strerror or str(error)) from error
    except Exception as error:
        raise UnexpectedFetch(describe_unexpected(error)) from error
