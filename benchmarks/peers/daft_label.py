"""Daft: its own download, decoder and resize, and the module in a class of batches.

python daft_label.py FLATBUFFER SIDE PHOTOS OUTPUT
"""

import os
import sys

import daft
import numpy as np
from ai_edge_litert.interpreter import Interpreter
from daft import DataType, Series, col
from daft.functions import decode_image, download, resize


@daft.udf(
    return_dtype=DataType.int64(),
    batch_size=64,
    concurrency=len(os.sched_getaffinity(0)),
    use_process=True,
)
class Classifier:
    """One interpreter a process."""

    def __init__(self, flatbuffer: str) -> None:
        self._interpreter = Interpreter(flatbuffer, num_threads=1)
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._output = self._interpreter.get_output_details()[0]["index"]

    def __call__(self, images: Series) -> list[int]:
        """The best class of each image."""
        classes = []
        for image in images.to_pylist():
            self._interpreter.set_tensor(self._input, np.asarray(image)[np.newaxis])
            self._interpreter.invoke()
            classes.append(int(self._interpreter.get_tensor(self._output).argmax()))
        return classes


def main(flatbuffer: str, side: str, photos: str, output: str) -> None:
    """Label a folder of photos."""
    classify = Classifier.with_init_args(flatbuffer)
    frame = daft.from_glob_path(f"{photos}/**/*.jpg")
    frame = frame.with_column("image", decode_image(download(col("path")), mode="RGB"))
    frame = frame.with_column("image", resize(col("image"), w=int(side), h=int(side)))
    frame = frame.with_column("class", classify(col("image")))
    frame.select("path", "class").write_parquet(output)


if __name__ == "__main__":
    main(*sys.argv[1:])
