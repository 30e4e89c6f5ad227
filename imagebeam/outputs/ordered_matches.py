"""Sort matches by score in bounded memory: what is too much for it is in a temporary file."""

import heapq
import json
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from typing import IO, NamedTuple

_AT_ONCE = 1_000_000


class Match(NamedTuple):
    """An image with a label that was searched.

    Attributes:
        score: of that label.
    """

    score: float
    uri: str


def by_score(matches: Iterable[Match], at_once: int = _AT_ONCE) -> Iterator[Match]:
    """Yield matches, the highest score first; those with the same score by name.

    Args:
        matches: in any order.
        at_once: number of matches that are held in memory.
    """
    with ExitStack() as files:
        runs: list[Iterable[Match]] = []
        held: list[Match] = []
        for match in matches:
            held.append(match)
            if len(held) == at_once:
                runs.append(_written(held, files.enter_context(tempfile.TemporaryFile("w+"))))
                held = []
        yield from heapq.merge(*runs, sorted(held, key=_place), key=_place)


def _place(match: Match) -> tuple[float, str]:
    return -match.score, match.uri


def _written(matches: list[Match], file: IO[str]) -> Iterator[Match]:
    """Write matches in their order to a file; return an iterator that reads them again."""
    file.writelines(f"{json.dumps(match)}\n" for match in sorted(matches, key=_place))
    file.seek(0)
    return (Match(*json.loads(line)) for line in file)
