"""Check that stores answer, accept our credentials, and how fast they are."""

import statistics
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from urllib.parse import urlsplit

from imagebeam.beam_pipeline.doctor.finding import Finding, FindingState
from imagebeam.storage import Settings, StoreError, store_for, uris
from imagebeam.storage.errors import BlockedAddress, ConnectionFailed, Denied, TimedOut

_LOOKS = 3
_SILENCE = (BlockedAddress, ConnectionFailed, TimedOut)


def check_storage(roots: Sequence[str], settings: Settings) -> Iterator[Finding]:
    """Yield one line per bucket or host."""
    for root in roots:
        yield _check_root(root, settings)


def roots_of(names: Sequence[str]) -> tuple[str, ...]:
    """Return the buckets and hosts of names, such as `gs://bucket`, without duplicates."""
    found: dict[str, None] = {}
    for name in names:
        if (scheme := uris.scheme(name)) != "file":
            host = urlsplit(name).netloc.rpartition("@")[2]
            found[f"{scheme}://{host}"] = None
    return tuple(found)


def _check_root(root: str, settings: Settings) -> Finding:
    store = store_for(root, settings)
    is_web = root.startswith("http")
    times = []
    try:
        for _ in range(_LOOKS):
            start = time.perf_counter()
            try:
                if is_web:
                    store.info(f"{root}/")
                else:
                    list(islice(store.list(f"{root}/"), 1))
            except _SILENCE:
                raise
            except StoreError:
                # A web server without a root page answers too, so its time counts.
                if not is_web:
                    raise
            times.append(time.perf_counter() - start)
    except Denied as error:
        return Finding(
            "storage",
            FindingState.WARNING,
            f"{root}: cannot be listed ({error}). Name its images in a manifest, or allow the "
            "credentials of this machine to list it.",
            {"root": root},
        )
    except StoreError as error:
        return Finding(
            "storage",
            FindingState.FAILURE,
            f"{root}: {error}. Check the name, the network and the credentials of this machine.",
            {"root": root},
        )
    latency = statistics.median(times)
    return Finding(
        "storage",
        FindingState.OK,
        f"{root} answers in {latency * 1000:,.0f} ms",
        {"root": root, "seconds": latency},
    )
