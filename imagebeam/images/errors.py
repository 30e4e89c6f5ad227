"""The closed list of what can go wrong with one image.

    ImageError
    ├── ListingError            it was named, but not so that it can be found
    │   ├── UnreadableListing   listing_failed
    │   ├── BadManifestEntry    bad_entry
    │   ├── ArchiveDamaged      archive_damaged
    │   ├── ArchiveLimit        archive_limit
    │   └── ArchiveUnsupported  archive_unsupported
    ├── FetchError              its bytes could not be had
    │   ├── UnsupportedScheme   unsupported_scheme
    │   ├── NotFound            not_found
    │   ├── PermissionDenied    permission_denied
    │   ├── NotAFile            not_a_file
    │   ├── FileTooLarge        file_too_large
    │   ├── BadMember           bad_member
    │   ├── NoCredentials       no_credentials
    │   ├── FetchTimeout        fetch_timeout
    │   ├── Throttled           throttled
    │   ├── ConnectionFailed    connection_failed
    │   ├── WrongBytes          wrong_bytes
    │   ├── Changed             changed
    │   ├── BlockedAddress      blocked_address
    │   ├── TooManyRedirects    too_many_redirects
    │   ├── OptedOut            opted_out
    │   └── ReadFailed          read_failed
    ├── DecodeError             its bytes are no picture that can be used
    │   ├── EmptyFile           empty_file
    │   ├── UnsupportedFormat   unsupported_format
    │   ├── UnsupportedPixels   unsupported_pixels
    │   ├── TooManyPixels       too_many_pixels
    │   ├── Truncated           truncated
    │   ├── Corrupt             corrupt
    │   ├── DecodeTimeout       decode_timeout
    │   ├── DecodeCrash         decode_crash
    │   └── DecodeMemory        decode_memory
    └── InferenceError          the module did not answer for it
        ├── InferenceFailed     inference_failed
        └── NotFinite           not_finite

An error costs its image one row in `errors/` and never costs a neighbour. Anything else that
is raised is a defect of the job and fails it.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar

from imagebeam.errors import ImagebeamError


class InputError(ImagebeamError, ValueError):
    """An INPUT of the command line that cannot be listed; says value, reason and cure."""


class ImageError(ImagebeamError):
    """One image that ends in an error row. Its text is the row's `message`."""

    stage: ClassVar[str]
    """Which step of the job it failed in: list, fetch, decode or infer."""
    code: ClassVar[str]
    """Stable name of the failure, for programs."""
    retryable: ClassVar[bool] = False
    """Whether the same image may well succeed when it is tried again unchanged."""
    cause: ClassVar[str]
    cure: ClassVar[str]


class ListingError(ImageError):
    """The input names an image in a way that cannot be followed."""

    stage = "list"


class UnreadableListing(ListingError):
    """A folder or manifest below an input that could not be read."""

    code = "listing_failed"
    retryable = True
    cause = "A folder, or the rest of a manifest, could not be read."
    cure = "Check its permissions and run again with --retry-failed."


class BadManifestEntry(ListingError):
    """A manifest entry that names no image."""

    code = "bad_entry"
    cause = "The manifest's entry is empty, malformed or has no usable `uri`."
    cure = "Correct that line of the manifest."


class ArchiveDamaged(ListingError):
    """An archive that breaks off, or whose index makes no sense."""

    code = "archive_damaged"
    retryable = True
    cause = (
        "The archive is damaged or cut short. Its images before the damage have rows of their own."
    )
    cure = "Copy or download it again; then run again with --retry-failed."


class ArchiveLimit(ListingError):
    """An archive that takes more than an honest one would."""

    code = "archive_limit"
    cause = "The archive has too many members, or decompresses to far more than it is: a bomb."
    cure = "Unpack it where that does no harm, and name the folder."


class ArchiveUnsupported(ListingError):
    """An archive of a kind that cannot be read here."""

    code = "archive_unsupported"
    retryable = True
    cause = "The archive's compression is not installed, or no column in it holds images."
    cure = "Do what the row's message says; then run again with --retry-failed."


class FetchError(ImageError):
    """The bytes of the image could not be had."""

    stage = "fetch"


class UnsupportedScheme(FetchError):
    """A URI whose scheme cannot be read."""

    code = "unsupported_scheme"
    cause = "The URI's scheme is not one that can be read."
    cure = "Copy the image to a place that can be read and name that."


class NotFound(FetchError):
    """No file of that name."""

    code = "not_found"
    retryable = True
    cause = "Nothing exists under that name: moved, deleted, or a dangling link."
    cure = "Restore the file or correct the manifest; then run again with --retry-failed."


class PermissionDenied(FetchError):
    """The file exists but may not be read."""

    code = "permission_denied"
    retryable = True
    cause = "The user that runs the job may not read the file."
    cure = "Grant read permission; then run again with --retry-failed."


class NotAFile(FetchError):
    """A folder, pipe, socket or device where a file was expected."""

    code = "not_a_file"
    cause = "The name belongs to a folder, pipe, socket or device."
    cure = "Name a regular file."


class FileTooLarge(FetchError):
    """More bytes than the job reads for one image."""

    code = "file_too_large"
    cause = "The file has more bytes than --max-image-bytes."
    cure = "Raise --max-image-bytes if the picture is meant to be that large."


class BadMember(FetchError):
    """A member of an archive that is no regular file, encrypted, or damaged."""

    code = "bad_member"
    cause = "The archive's member is a link, encrypted, empty of an image, or damaged."
    cure = "Pack the archive anew, with plain files and without a password."


class NoCredentials(FetchError):
    """Nobody said who asks the store."""

    code = "no_credentials"
    retryable = True
    cause = "No credentials were found for the store, where they are looked for."
    cure = "Provide them as the row's message says; then run again with --retry-failed."


class FetchTimeout(FetchError):
    """The bytes did not come in time."""

    code = "fetch_timeout"
    retryable = True
    cause = "The bytes did not come within --read-seconds, tries included."
    cure = "Run again with --retry-failed, or raise --read-seconds."


class Throttled(FetchError):
    """The server asks for fewer requests."""

    code = "throttled"
    retryable = True
    cause = "The server asked for fewer requests, and went on asking."
    cure = "Lower --concurrent-reads; then run again with --retry-failed."


class ConnectionFailed(FetchError):
    """The server cannot be reached."""

    code = "connection_failed"
    retryable = True
    cause = "The server cannot be reached, or hung up each time."
    cure = "Check name and network; then run again with --retry-failed."


class WrongBytes(FetchError):
    """Other bytes came than are stored."""

    code = "wrong_bytes"
    retryable = True
    cause = "More, fewer or other bytes came than the server announced."
    cure = "Run again with --retry-failed."


class Changed(FetchError):
    """It was replaced since it was listed."""

    code = "changed"
    retryable = True
    cause = "The object was replaced between listing and reading."
    cure = "Run again with --retry-failed once nobody writes there."


class BlockedAddress(FetchError):
    """A host that is not public."""

    code = "blocked_address"
    cause = "The URL, or a redirect, leads to a private address or a metadata server."
    cure = "Add --allow-private-hosts if the host is yours."


class TooManyRedirects(FetchError):
    """One redirect led to the next."""

    code = "too_many_redirects"
    cause = "The server redirected more than five times."
    cure = "Name the address that it ends at."


class OptedOut(FetchError):
    """Its headers forbid this use."""

    code = "opted_out"
    cause = "The server's X-Robots-Tag forbids the use by machines (noai, noindex and kin)."
    cure = "Leave it out, or add --ignore-opt-outs if the images are yours."


class ReadFailed(FetchError):
    """The storage failed while the file was read."""

    code = "read_failed"
    retryable = True
    cause = "The storage reported an error while the file was read."
    cure = "Check the disk or mount; then run again with --retry-failed."


class DecodeError(ImageError):
    """The bytes are no picture that can be used."""

    stage = "decode"


class EmptyFile(DecodeError):
    """A file of no bytes."""

    code = "empty_file"
    cause = "The file has no bytes."
    cure = "Restore the file from its source."


class UnsupportedFormat(DecodeError):
    """Not a JPEG, PNG, WebP, GIF, BMP or TIFF, whatever its name says."""

    code = "unsupported_format"
    cause = "The content is not a JPEG, PNG, WebP, GIF, BMP or TIFF, whatever its name says."
    cure = "Convert it, or leave it out of the input."


class UnsupportedPixels(DecodeError):
    """A picture whose pixel values have no agreed black and white."""

    code = "unsupported_pixels"
    cause = (
        "Its pixels are 32-bit integers, floats, LAB or of a rare kind, which have no agreed "
        "black and white."
    )
    cure = "Convert it to 8 or 16 bits per channel."


class TooManyPixels(DecodeError):
    """The header announces more pixels than the job decodes."""

    code = "too_many_pixels"
    cause = "The header announces more pixels than --max-image-pixels: huge, or a bomb."
    cure = "Raise --max-image-pixels if the picture is meant to be that large."


class Truncated(DecodeError):
    """The data ends before the picture does."""

    code = "truncated"
    cause = "The data ends before the picture does."
    cure = "Copy or download it again; then run again with --retry-failed truncated."


class Corrupt(DecodeError):
    """The decoder refuses the data."""

    code = "corrupt"
    cause = "The data is damaged: the decoder refuses it."
    cure = "Restore the file from its source."


class DecodeTimeout(DecodeError):
    """The decoder did not come to an end."""

    code = "decode_timeout"
    retryable = True
    cause = "Reading and decoding took longer than --decode-seconds: a hang, or a slow disk."
    cure = "Raise --decode-seconds if the machine is slow; then run again with --retry-failed."


class DecodeCrash(DecodeError):
    """The decoder took its process down, twice."""

    code = "decode_crash"
    retryable = True
    cause = "The decoding process died on this image, twice: a fault in the decoder's C code."
    cure = "Convert the picture with another tool, or update Pillow and use --retry-failed."


class DecodeMemory(DecodeError):
    """The decoder asked for more memory than it may have."""

    code = "decode_memory"
    retryable = True
    cause = "Decoding needed more memory than --decode-memory."
    cure = "Raise --decode-memory if the picture is meant to be that large; use --retry-failed."


class InferenceError(ImageError):
    """The module did not answer for this image."""

    stage = "infer"


class InferenceFailed(InferenceError):
    """The module raised an error on this image alone."""

    code = "inference_failed"
    retryable = True
    cause = "The module raised an error on this image, also when it ran alone."
    cure = "Try --engine tensorflow; if it persists, the module cannot take this picture."


class NotFinite(InferenceError):
    """The module answered with NaN or infinity."""

    code = "not_finite"
    cause = "The module answered with values that are not finite."
    cure = "Try --engine tensorflow; if it persists, the module is damaged."


def _leaves(root: type[ImageError]) -> list[type[ImageError]]:
    below = root.__subclasses__()
    return [leaf for child in below for leaf in _leaves(child)] if below else [root]


CODES: Mapping[str, type[ImageError]] = MappingProxyType(
    {leaf.code: leaf for leaf in _leaves(ImageError)}
)
"""Every code that an error row can carry, in the order of the flow."""
