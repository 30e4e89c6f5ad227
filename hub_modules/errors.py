"""The one error that users of this package see."""


class ModuleError(ValueError):
    """A module cannot be used as asked: says which value, for what reason, and what to do."""
