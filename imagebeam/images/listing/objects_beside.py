"""Values that `--keep` takes from the objects beside an image in a bucket."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain, groupby, islice

from imagebeam.images.containers.kept_values import MOST_BYTES, Sidecars
from imagebeam.images.errors import CODES, BadMember
from imagebeam.images.listed_image import ListedImage
from imagebeam.images.listing import files_beside
from imagebeam.storage import ObjectInfo, Store, StoreError
from imagebeam.storage.errors import Missing, TooLarge

_MOST_TOGETHER = 1_000
"""Objects with the same name up to the first dot that are held until all of them are listed. Where
there are more, the listing does not show what exists: each possible name costs a request."""


class ObjectsBeside:
    """Reads the objects beside images, several at once, while a store lists them.

    The listing shows which of them exist, so that no request is made for others.

    Args:
        columns: extensions such as `txt`, `json.KEY`, or what a path holds.
        reads: number of objects that are read at once.
    """

    def __init__(self, store: Store, columns: Sequence[str], reads: int) -> None:
        self._store = store
        self._columns = columns
        self._sidecars = Sidecars(columns)
        self._reads = reads
        self._present: frozenset[str] | None = frozenset()

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Yield all objects whose names start with a prefix, by name; see `Store.list`."""
        failures: list[Exception] = []

        def until_failure() -> Iterator[ObjectInfo]:
            try:
                yield from self._store.list(prefix)
            except Exception as error:
                failures.append(error)

        # A sample is complete only when the next one begins: it is not lost where the list breaks.
        for _, sample in groupby(until_failure(), _sample):
            objects = iter(sample)
            first = list(islice(objects, _MOST_TOGETHER + 1))
            names = (info.uri for info in first)
            is_whole = len(first) <= _MOST_TOGETHER
            self._present = (
                frozenset(filter(self._sidecars.has_extension, names)) if is_whole else None
            )
            yield from chain(first, objects)
        if failures:
            raise failures[0]

    def added(self, images: Iterable[ListedImage]) -> Iterator[ListedImage]:
        """Yield images with their values, in order; `images` come from `list`."""
        threads = ThreadPoolExecutor(self._reads, thread_name_prefix="beside")
        ahead: deque[Future[ListedImage]] = deque()
        try:
            for image in images:
                content = self._content(self._present)
                ahead.append(
                    threads.submit(files_beside.added, image, image.uri, self._columns, content)
                )
                if len(ahead) > self._reads:
                    yield ahead.popleft().result()
        except Exception:
            # The images before the end of the listing are not lost.
            yield from _results(ahead)
            raise
        else:
            yield from _results(ahead)
        finally:
            threads.shutdown(cancel_futures=True)

    def _content(self, present: frozenset[str] | None) -> Callable[[str], bytes | None]:
        """Return a function that reads an object by its name; None where there is none."""

        def read(name: str) -> bytes | None:
            if present is not None and name not in present:
                return None
            shown = f"`{name.rpartition('/')[2]}`, which is to be kept,"
            try:
                return self._store.read(name, MOST_BYTES)
            except Missing:
                return None
            except TooLarge as error:
                raise BadMember(f"{shown} has more than {MOST_BYTES:,} bytes") from error
            except StoreError as error:
                raise CODES[error.code](f"{shown} cannot be read: {error}") from error

        return read


def _results(ahead: deque[Future[ListedImage]]) -> Iterator[ListedImage]:
    while ahead:
        yield ahead.popleft().result()


def _sample(info: ObjectInfo) -> str:
    folder, slash, name = info.uri.rpartition("/")
    return f"{folder}{slash}{name.partition('.')[0]}"
