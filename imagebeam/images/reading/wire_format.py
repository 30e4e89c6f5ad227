"""The outcome of one image as bytes, from a decoding process to its parent.

Plain bytes instead of pickle: a process that a hostile picture controls must not be able to run
code in another one. Pixels go through shared memory instead.
"""

import struct

from imagebeam.images.errors import CODES, ImageError
from imagebeam.images.stage_times import StageTime, StageTimes

STAGES = ("fetch", "decode")
"""The stages whose time a decoding process reports."""

_PICTURE, _ERROR = 0, 1
_HEADER = struct.Struct("<Bii")
_COSTS = struct.Struct(f"<{2 * len(STAGES)}f")
_MOST_SECONDS = 1e9


def pack(outcome: tuple[int, int] | ImageError, costs: StageTimes) -> bytes:
    """Pack an outcome with the costs of it and those before it.

    Args:
        outcome: (width, height) of the original picture, or an error.
        costs: by stage.
    """
    spent = _COSTS.pack(*(value for stage in STAGES for value in costs.get(stage, StageTime())))
    if isinstance(outcome, ImageError):
        text = f"{outcome.code}\n{outcome}".encode(errors="backslashreplace")
        return spent + _HEADER.pack(_ERROR, 0, 0) + text
    return spent + _HEADER.pack(_PICTURE, *outcome)


def unpack(message: bytearray) -> tuple[tuple[int, int] | ImageError, dict[str, StageTime]]:
    """Return the outcome that was packed, and the costs, if there are any.

    Raises:
        ValueError: the message is nothing that `pack` gives.
    """
    try:
        spent = _COSTS.unpack_from(message)
        kind, width, height = _HEADER.unpack_from(message, _COSTS.size)
        rest = message[_COSTS.size + _HEADER.size :]
        if not all(0 <= value < _MOST_SECONDS for value in spent):
            raise ValueError(f"no costs: {spent}")
        costs = {}
        if any(spent):
            costs = dict(zip(STAGES, map(StageTime, spent[::2], spent[1::2]), strict=True))
        if kind == _PICTURE and not rest and min(width, height) > 0:
            return (width, height), costs
        code, _, text = str(rest, "utf-8").partition("\n")
        return CODES[code](text), costs
    except (struct.error, LookupError) as error:
        raise ValueError(f"no outcome: {error}") from error
