"""What goes wrong with stores. No text holds a URI, for URIs may hold secrets."""

from typing import ClassVar

from imagebeam.errors import ImagebeamError


class StoreError(ImagebeamError):
    """A read, listing or write that failed; says why."""

    retryable: ClassVar[bool] = False
    """Whether the same may well succeed later, unchanged."""


class Missing(StoreError):
    """Nothing of that name."""

    retryable = True


class Denied(StoreError):
    """It may not be read, or not be written."""

    retryable = True


class NoCredentials(StoreError):
    """Nobody said who asks; says where was looked."""

    retryable = True


class TooLarge(StoreError):
    """More bytes than were allowed."""


class TimedOut(StoreError):
    """It did not come to an end in time."""

    retryable = True


class Throttled(StoreError):
    """The server asks for fewer requests, and went on asking."""

    retryable = True


class ConnectionFailed(StoreError):
    """The server cannot be reached, or hangs up."""

    retryable = True


class ServerFailed(StoreError):
    """The server answers with an error of its own, or the disk does."""

    retryable = True


class WrongLength(StoreError):
    """More or fewer bytes arrived than were announced."""

    retryable = True


class WrongChecksum(StoreError):
    """The bytes are not those that were stored."""

    retryable = True


class Changed(StoreError):
    """It is not the version any more that was asked for."""

    retryable = True


class BlockedAddress(StoreError):
    """The host is not a public one."""


class TooManyRedirects(StoreError):
    """One redirect led to the next."""


class OptedOut(StoreError):
    """Its headers forbid its use."""


class NotAnObject(StoreError):
    """A folder, pipe, socket or device."""


class Unsupported(StoreError):
    """This store cannot do that, or there is no such store."""


class UnwritableName(ImagebeamError, ValueError):
    """A name that nothing can be written under; says value, reason and cure."""
