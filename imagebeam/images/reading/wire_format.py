"""The outcomes of images as bytes, from a decoding process to its parent.

Plain bytes instead of pickle: a process that a hostile picture controls must not be able to run
code in another one. Pixels go through shared memory instead.
"""

import json
import struct
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from imagebeam.images.errors import CODES, ImageError
from imagebeam.images.stage_times import StageTime, StageTimes

STAGES = ("fetch", "decode", "infer")
"""The stages whose time a decoding process reports."""

_PICTURE, _ERROR = 0, 1
_HEADER = struct.Struct("<Bii")
_COSTS = struct.Struct(f"<{2 * len(STAGES)}f")
_LENGTH = struct.Struct("<I")
_MOST_SECONDS = 1e9


def pack(outcome: tuple[int, int] | ImageError, costs: StageTimes) -> bytes:
    """Pack an outcome with the costs of it and those before it.

    Args:
        outcome: (width, height) of the original picture, or an error.
        costs: by stage.
    """
    if isinstance(outcome, ImageError):
        text = f"{outcome.code}\n{outcome}".encode(errors="backslashreplace")
        return _pack_costs(costs) + _HEADER.pack(_ERROR, 0, 0) + text
    return _pack_costs(costs) + _HEADER.pack(_PICTURE, *outcome)


def unpack(message: bytearray) -> tuple[tuple[int, int] | ImageError, dict[str, StageTime]]:
    """Return the outcome that was packed, and the costs, if there are any.

    Raises:
        ValueError: the message is nothing that `pack` gives.
    """
    try:
        costs = _unpack_costs(message)
        kind, width, height = _HEADER.unpack_from(message, _COSTS.size)
        rest = message[_COSTS.size + _HEADER.size :]
        if kind == _PICTURE and not rest and min(width, height) > 0:
            return (width, height), costs
        code, _, text = str(rest, "utf-8").partition("\n")
        return CODES[code](text), costs
    except (struct.error, LookupError) as error:
        raise ValueError(f"no outcome: {error}") from error


def pack_answers(
    values: npt.NDArray[np.float32], errors: Mapping[int, ImageError], costs: StageTimes
) -> bytes:
    """Pack the results of a task.

    Args:
        values: float32 (N, width).
        errors: the errors of the rows that have no values.
        costs: the costs of the task, by stage.
    """
    listed = [
        (row, error.code, str(error).encode(errors="backslashreplace").decode())
        for row, error in errors.items()
    ]
    text = json.dumps(listed).encode()
    return _pack_costs(costs) + _LENGTH.pack(len(text)) + text + values.tobytes()


def unpack_answers(
    message: bytearray, count: int, width: int
) -> tuple[npt.NDArray[np.float32], dict[int, ImageError], dict[str, StageTime]]:
    """Return the values, errors and costs that were packed, for so many pictures.

    Raises:
        ValueError: the message is nothing that `pack_answers` gives for them.
    """
    try:
        costs = _unpack_costs(message)
        (length,) = _LENGTH.unpack_from(message, _COSTS.size)
        start = _COSTS.size + _LENGTH.size
        listed = json.loads(message[start : start + length])
        errors = {range(count)[row]: CODES[code](str(text)) for row, code, text in listed}
        values = np.frombuffer(message, np.float32, offset=start + length)
        return values.reshape(count, width), errors, costs
    except (struct.error, LookupError, TypeError, RecursionError) as error:
        raise ValueError(f"no answers: {error}") from error


def _pack_costs(costs: StageTimes) -> bytes:
    return _COSTS.pack(*(value for stage in STAGES for value in costs.get(stage, StageTime())))


def _unpack_costs(message: bytearray) -> dict[str, StageTime]:
    spent = _COSTS.unpack_from(message)
    if not all(0 <= value < _MOST_SECONDS for value in spent):
        raise ValueError(f"no costs: {spent}")
    times = map(StageTime, spent[::2], spent[1::2])
    return {stage: time for stage, time in zip(STAGES, times, strict=True) if any(time)}
