"""Fetch modules from buckets, `gs://` and `s3://`, into the cache."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from imagebeam.modules.errors import ModuleError, no_graph
from imagebeam.modules.handles.cache import Cache
from imagebeam.modules.types import ARCHIVE_SUFFIXES, FLATBUFFER_SUFFIX, GRAPH_FILE
from imagebeam.storage import ObjectInfo, Settings, Store, StoreError, store_for

SCHEMES = ("gs", "s3")

# Files of variables are large, and each is fetched by a single read.
_PATIENT = Settings(seconds=600.0)

_MOST_FILES = 10_000
_MOST_BYTES = 16 << 30


def fetch_from_bucket(url: str, cache: Cache) -> Path:
    """Fetch the module at `url` as a local directory, archive or `.tflite` file.

    Every call looks up the current versions of the objects; only versions that are not cached are
    fetched.

    Raises:
        ModuleError: there is no module, it cannot be read, or it is too large.
    """
    try:
        store = store_for(url, _PATIENT)
        suffix = next((s for s in (*ARCHIVE_SUFFIXES, FLATBUFFER_SUFFIX) if url.endswith(s)), "")
        name = f"module{suffix}" if suffix else "."
        files = {name: store.info(url)} if suffix else _files_below(url, store)
        key = _key(url, files)
        return cache.entry("buckets", key, lambda to: _fetch(store, files, to)) / name
    except StoreError as error:
        raise ModuleError(
            f"{url!r}: cannot be fetched ({error}). Check the address and the permissions."
        ) from error


def _files_below(url: str, store: Store) -> dict[str, ObjectInfo]:
    base = f"{url.rstrip('/')}/"
    files: dict[str, ObjectInfo] = {}
    size = 0
    for info in store.list(base):
        name = info.uri.removeprefix(base)
        if not name or name.endswith("/"):
            # Web consoles create such objects to show an empty folder.
            continue
        if not {"", ".", ".."}.isdisjoint(name.split("/")) or "\0" in name:
            raise ModuleError(
                f"{url!r}: {name!r} is not the name of a module's file. Remove it from the bucket."
            )
        files[name] = info
        size += info.size or 0
        if len(files) > _MOST_FILES or size > _MOST_BYTES:
            raise ModuleError(
                f"{url!r}: holds more than {_MOST_FILES:,} files or {_MOST_BYTES >> 30} GiB. "
                "Give the directory of one module."
            )
    if not files:
        raise ModuleError(f"{url!r}: there is no such module. Check the address.")
    if GRAPH_FILE not in files:
        raise no_graph(url)
    return files


def _key(url: str, files: Mapping[str, ObjectInfo]) -> str:
    versions = "".join(f"{info.uri}\n{info.version}\n" for info in files.values())
    return hashlib.sha256(f"{url}\n{versions}".encode()).hexdigest()


def _fetch(store: Store, files: Mapping[str, ObjectInfo], directory: Path) -> None:
    for name, info in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(store.read(info.uri, _MOST_BYTES, version=info.version))
