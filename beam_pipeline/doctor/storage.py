"""Whether stores answer, whom they take us for, and how soon they do."""

import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from urllib.parse import urlsplit

from imagebeam.beam_pipeline.doctor.finding import Finding, FindingState
from imagebeam.storage import Settings, StoreError, store_for, uris
from imagebeam.storage.errors import BlockedAddress, ConnectionFailed, Denied, TimedOut

_LOOKS = 3
_SILENCE = (BlockedAddress, ConnectionFailed, TimedOut)


@dataclass(frozen=True)
class Storage:
    """The stores of inputs, output and module that are no files.

    Attributes:
        names: of all of them.
        settings: how patient and how trusting reads are.
    """

    names: tuple[str, ...]
    settings: Settings
    about: str = "storage"

    def run(self) -> Iterator[Finding]:
        """One line a bucket or host."""
        for root in roots(self.names):
            yield _asked(root, self.settings)


def roots(names: Sequence[str]) -> tuple[str, ...]:
    """The buckets and hosts that names lie on: `gs://bucket`, each once."""
    found: dict[str, None] = {}
    for name in names:
        if (scheme := uris.scheme(name)) != "file":
            host = urlsplit(name).netloc.rpartition("@")[2]
            found[f"{scheme}://{host}"] = None
    return tuple(found)


def _asked(root: str, settings: Settings) -> Finding:
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
                # An answer all the same: nobody promised anything under that name.
                if not is_web:
                    raise
            times.append(time.perf_counter() - start)
    except Denied as error:
        return Finding(
            "storage",
            FindingState.WARNING,
            f"{root}: it may not be listed ({error}). Name its images in a manifest, or let this "
            "machine's credentials list it.",
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
