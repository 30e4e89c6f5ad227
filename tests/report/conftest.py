"""The fixtures of the tests of outputs, for the tests of reports."""

from tests.outputs.conftest import root

__all__ = ["root"]
