from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest

from imagebeam.modules.engines import MemoryBoundedEngine
from imagebeam.modules.model_outputs import ModelOutputs
from imagebeam.transforms.parallel_engine import ParallelEngine
from tests.transforms.pictures import MeanEngine


class ResourceExhaustedError(Exception):
    """An exception with the name of TensorFlow's."""


class _SmallEngine(MeanEngine):
    """An engine with memory for a limited number of pictures."""

    def __init__(self, most: int, error: type[Exception] = MemoryError) -> None:
        super().__init__(self._check)
        self._most = most
        self._error = error

    def _check(self, means: Sequence[float]) -> bool:
        if len(means) > self._most:
            raise self._error
        return 13 in means

    def sizes(self) -> list[int]:
        """Return the batch sizes of the calls since the last time."""
        sizes = [len(means) for means in self.calls]
        self.calls.clear()
        return sizes


def _pixels(*levels: int) -> npt.NDArray[np.uint8]:
    return np.array(levels, np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 3), np.uint8)


def _features(answers: ModelOutputs) -> list[float]:
    assert answers.features is not None
    return [row[0] for row in answers.features.tolist()]


@pytest.mark.parametrize("error", [MemoryError, ResourceExhaustedError])
def test_lack_of_memory_halves_the_batch_permanently(error: type[Exception]) -> None:
    small = _SmallEngine(4, error)
    engine = MemoryBoundedEngine(small)
    assert _features(engine.run(_pixels(*range(14, 24)))) == list(range(14, 24))
    assert small.sizes() == [10, 5, 2, 2, 2, 2, 2]
    assert _features(engine.run(_pixels(*range(30, 35)))) == list(range(30, 35))
    assert small.sizes() == [2, 2, 1]


def test_with_enough_memory_no_batch_is_split() -> None:
    small = _SmallEngine(10)
    engine = MemoryBoundedEngine(small)
    assert _features(engine.run(_pixels(*range(14, 24)))) == list(range(14, 24))
    assert engine.run(_pixels()).features is not None
    assert small.sizes() == [10, 0]


def test_a_picture_without_enough_memory_fails_alone() -> None:
    engine = MemoryBoundedEngine(_SmallEngine(0))
    with pytest.raises(MemoryError):
        engine.run(_pixels(1, 2))


def test_other_errors_do_not_change_the_batch_size() -> None:
    small = _SmallEngine(4)
    engine = MemoryBoundedEngine(small)
    answers, errors, _ = ParallelEngine(engine, 1).infer(_pixels(10, 11, 12, 13))
    assert _features(answers) == [10, 11, 12]
    assert {row: error.code for row, error in errors.items()} == {3: "inference_failed"}
    small.sizes()
    engine.run(_pixels(1, 2, 3, 4))
    assert small.sizes() == [4]
