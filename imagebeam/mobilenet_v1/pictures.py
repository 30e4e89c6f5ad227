"""Decoded pictures on disk, and batches of them for training."""

import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from imagebeam import resources
from imagebeam.mobilenet_v1.errors import PictureError
from imagebeam.mobilenet_v1.folders import LabelledPicture, refuse_lost_classes

Decoder = Callable[[bytes, int], NDArray[np.uint8]]
"""A function (encoded picture, side) → uint8 (side, side, 3), RGB; it raises PictureError."""


@dataclass(frozen=True, eq=False)
class DecodedPictures:
    """Pictures of one size with their classes.

    Attributes:
        pixels: uint8 (N, side, side, 3), RGB.
        classes: int64 (N,).
        skipped: the files that could not be decoded, each as "path: reason".
        files: the files of the pictures, if they are known.
    """

    pixels: NDArray[np.uint8]
    classes: NDArray[np.int64]
    skipped: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()

    def batches(self, batch_size: int, seed: int) -> Callable[[int], tf.data.Dataset]:
        """Make endless shuffled batches for `training.train`.

        Every epoch has its own order, which depends on `seed` alone, so a run can continue in the
        middle of an epoch.

        Returns:
            A function from the number of completed steps to the dataset of the next batches: uint8
            (batch, side, side, 3) and int64 (batch,). The incomplete last batch of an epoch is
            dropped.
        """
        batch_size = min(batch_size, len(self.classes))
        per_epoch = self.steps_per_epoch(batch_size)

        @lru_cache(maxsize=1)
        def order(epoch: int) -> NDArray[np.int64]:
            return np.random.default_rng([seed, epoch]).permutation(len(self.classes))

        def load(step: np.int64) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
            epoch, batch = divmod(int(step), per_epoch)
            rows = order(epoch)[batch * batch_size : (batch + 1) * batch_size]
            return self.pixels[rows], self.classes[rows]

        def load_in_graph(step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            pixels, classes = tf.numpy_function(load, [step], [tf.uint8, tf.int64])
            shape = [batch_size, *self.pixels.shape[1:]]
            return tf.ensure_shape(pixels, shape), tf.ensure_shape(classes, [batch_size])

        def following(steps_done: int) -> tf.data.Dataset:
            steps = tf.data.Dataset.range(steps_done, np.iinfo(np.int64).max)
            return steps.map(load_in_graph).prefetch(2)

        return following

    def steps_per_epoch(self, batch_size: int) -> int:
        """Return the number of batches per epoch, without the incomplete last batch."""
        return max(1, len(self.classes) // batch_size)

    def in_order(self, batch_size: int) -> list[tuple[NDArray[Any], NDArray[np.int64]]]:
        """Return all pictures in batches, in order, for `evaluation.evaluate`."""
        starts = range(0, len(self.classes), batch_size)
        return [
            (self.pixels[start : start + batch_size], self.classes[start : start + batch_size])
            for start in starts
        ]


def decode_all(
    samples: Sequence[LabelledPicture], decode: Decoder, side: int, folder: Path
) -> DecodedPictures:
    """Decode every picture once into an array on disk; skip pictures that cannot be decoded.

    Args:
        samples: the pictures to decode.
        decode: decodes the bytes of a file to pixels; called from several threads.
        side: side of the decoded pictures; they take 3 * side² bytes each.
        folder: a folder on the disk for the array; nothing is left there.

    Raises:
        NetworkError: all pictures of a class failed to decode.
    """

    def read(sample: LabelledPicture) -> NDArray[np.uint8] | str:
        try:
            return decode(sample.path.read_bytes(), side)
        except (PictureError, OSError) as error:
            return f"{sample.path}: {error}"

    shape = (len(samples), side, side, 3)
    with tempfile.TemporaryFile(dir=folder) as file:
        pixels = np.memmap(file, np.uint8, "w+", shape=shape)
    labels: list[int] = []
    skipped: list[str] = []
    files: list[Path] = []
    with ThreadPoolExecutor(resources.cores()) as threads:
        for sample, result in zip(samples, threads.map(read, samples), strict=True):
            if isinstance(result, str):
                skipped.append(result)
            else:
                pixels[len(labels)] = result
                labels.append(sample.label)
                files.append(sample.path)
    refuse_lost_classes(samples, labels, skipped)
    return DecodedPictures(
        pixels[: len(labels)], np.array(labels, np.int64), tuple(skipped), tuple(files)
    )
