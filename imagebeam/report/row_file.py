"""Keep rows in a temporary file without a name, which the system removes with the process."""

import mmap
import tempfile

import numpy as np
import pyarrow as pa


class RowFile:
    """Rows in a file, of which any can be read at once.

    Attributes:
        total: number of rows.
        batches: the batches of all rows, once `finish` was called; their values stay in the file.
    """

    def __init__(self) -> None:
        self.total = 0
        self.batches: list[pa.RecordBatch] = []
        self._file = tempfile.TemporaryFile(prefix="imagebeam-")  # noqa: SIM115 - until `close`
        self._writer: pa.RecordBatchFileWriter | None = None
        self._starts = np.zeros(0, np.int64)

    def add(self, batch: pa.RecordBatch) -> None:
        """Add rows. All batches have the same columns."""
        if self._writer is None:
            self._writer = pa.ipc.new_file(self._file, batch.schema)
        self._writer.write_batch(batch)
        self.total += batch.num_rows

    def finish(self) -> None:
        """Make the rows ready for reading. No more can be added."""
        if self._writer is None:
            return
        self._writer.close()
        self._file.flush()
        mapped = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
        reader = pa.ipc.open_file(pa.BufferReader(pa.py_buffer(mapped)))
        self.batches = [reader.get_batch(place) for place in range(reader.num_record_batches)]
        self._starts = np.cumsum([0, *(batch.num_rows for batch in self.batches)])[:-1]

    def place(self, row: int) -> tuple[pa.RecordBatch, int]:
        """Return the batch that holds a row, and the place there; raise IndexError for no row."""
        if not 0 <= row < self.total:
            raise IndexError(row)
        number = int(np.searchsorted(self._starts, row, "right")) - 1
        return self.batches[number], row - int(self._starts[number])

    def column(self, name: str) -> pa.ChunkedArray:
        """Return a column of all rows."""
        return pa.chunked_array([batch[name] for batch in self.batches])

    def close(self) -> None:
        """Remove the file."""
        self.batches = []
        self._file.close()
