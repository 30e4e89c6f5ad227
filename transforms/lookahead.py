"""Keep enough shards in progress behind the one that is needed next."""

from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Lookahead(Generic[T]):
    """Shards in progress, in their order; the oldest is taken once enough are behind it.

    Many cores need many images in progress: a shard alone has too few for all of them, and its
    last images leave most cores idle.

    Args:
        shards: the number of shards that must be behind the oldest.
    """

    def __init__(self, shards: int) -> None:
        self._shards = shards
        self._queue: deque[tuple[int, T]] = deque()

    def add(self, images: int, item: T) -> None:
        """Append a shard with this number of images, at least one."""
        self._queue.append((images, item))

    def ready(self, images: int) -> Iterator[T]:
        """Take the oldest shards as long as enough shards, and so many images, are behind them."""
        while len(self._queue) > self._shards and self._behind() >= images:
            yield self._queue.popleft()[1]

    def drain(self) -> Iterator[T]:
        """Take all shards."""
        while self._queue:
            yield self._queue.popleft()[1]

    def _behind(self) -> int:
        return sum(images for images, _ in self._queue) - self._queue[0][0]
