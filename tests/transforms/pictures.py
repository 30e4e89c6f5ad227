"""Small pictures and a fake engine for the tests of the steps."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from imagebeam.images.errors import BadManifestEntry
from imagebeam.images.listed_image import ImageLocation, ListedImage
from imagebeam.modules.model_outputs import ModelOutputs
from imagebeam.transforms.elements import DecodedShard, ScoredShard
from imagebeam.transforms.parallel_engine import ParallelEngine
from imagebeam.transforms.run_module import complete_shard

SIZE = (8, 8)


def grey(folder: Path, name: str, level: int, size: tuple[int, int] = (10, 12)) -> str:
    """Save one plain grey PNG of (width, height) `size`; return its URI."""
    path = folder / name
    Image.new("RGB", size, (level, level, level)).save(path, "PNG")
    return str(path)


class MeanEngine:
    """Returns the mean level of each picture, and fails on request.

    `logits` are (N, 3): the mean, its negative, 0. Calls are recorded as lists of means.
    """

    def __init__(self, fails: Callable[[Sequence[float]], bool] = lambda means: False) -> None:
        self._fails = fails
        self.calls: list[list[float]] = []

    def run(self, pixels: npt.NDArray[np.uint8]) -> ModelOutputs:
        means = pixels.mean(axis=(1, 2, 3)).astype(np.float32)
        self.calls.append(means.tolist())
        if self._fails(means.tolist()):
            raise RuntimeError("cannot answer")
        logits = np.stack([means, -means, np.zeros_like(means)], axis=1)
        exponents = np.exp(logits - logits.max(axis=1, keepdims=True))
        scores = exponents / exponents.sum(axis=1, keepdims=True)
        return ModelOutputs(logits=logits, scores=scores, features=means[:, None])


def score_shard(shard: DecodedShard, engine: ParallelEngine) -> ScoredShard:
    """Return a shard with its model outputs, without any other shard in progress."""
    return complete_shard(shard, engine.start(shard.pixels))


def listed(uri: str, ordinal: int = 0) -> ListedImage:
    """Return an image in the form of a listing."""
    return ListedImage(uri, ImageLocation(uri), ordinal=ordinal)


def bad_entry(uri: str, ordinal: int, message: str) -> ListedImage:
    """Return an image that cannot be listed."""
    return ListedImage(uri, BadManifestEntry(message), ordinal=ordinal)
