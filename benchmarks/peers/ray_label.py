"""Ray Data: read_images, then the module in a pool of actors.

python ray_label.py FLATBUFFER SIDE PHOTOS OUTPUT
"""

import os
import sys
from typing import Any

import numpy as np
import ray
from ai_edge_litert.interpreter import Interpreter


class Classifier:
    """One interpreter an actor."""

    def __init__(self, flatbuffer: str) -> None:
        self._interpreter = Interpreter(flatbuffer, num_threads=1)
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._output = self._interpreter.get_output_details()[0]["index"]

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """The best class of each image."""
        classes = []
        for image in batch["image"]:
            self._interpreter.set_tensor(self._input, image[np.newaxis])
            self._interpreter.invoke()
            classes.append(int(self._interpreter.get_tensor(self._output).argmax()))
        return {"path": batch["path"], "class": classes}


def main(flatbuffer: str, side: str, photos: str, output: str) -> None:
    """Label a folder of photos."""
    size = (int(side), int(side))
    images = ray.data.read_images(photos, size=size, mode="RGB", include_paths=True)
    labelled = images.map_batches(
        Classifier,
        fn_constructor_args=(flatbuffer,),
        batch_size=64,
        num_cpus=0.5,
        compute=ray.data.ActorPoolStrategy(size=len(os.sched_getaffinity(0))),
    )
    labelled.write_parquet(output)


if __name__ == "__main__":
    main(*sys.argv[1:])
