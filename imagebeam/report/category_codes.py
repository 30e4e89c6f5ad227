"""Texts of a column to numbers, the same in every batch."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa


class CategoryCodes:
    """Numbers texts in the order in which they come.

    Attributes:
        names: the texts by number.
    """

    def __init__(self) -> None:
        self.names: list[str] = []
        self._numbers: dict[str, int] = {}

    def of(self, column: pa.Array) -> npt.NDArray[np.int64]:
        """int64 (N,): the number of each text; it need not be encoded as a dictionary."""
        encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
        numbers = np.array(
            [self._number(name) for name in encoded.dictionary.to_pylist()], np.int64
        )
        found: npt.NDArray[np.int64] = numbers[encoded.indices.to_numpy(zero_copy_only=False)]
        return found

    def _number(self, name: str) -> int:
        number = self._numbers.setdefault(name, len(self.names))
        if number == len(self.names):
            self.names.append(name)
        return number
