"""The one error that a user of this package can cause."""


class NetworkError(ValueError):
    """A network, checkpoint, folder or option that cannot be used; the text says what to do."""
