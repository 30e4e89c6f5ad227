"""Fetch modules by URL: flatbuffers directly, TF-Hub modules through their own library."""

from __future__ import annotations

import hashlib
import os
import urllib.parse
from pathlib import Path

from imagebeam.modules.errors import ModuleError
from imagebeam.modules.handles.buckets import SCHEMES as BUCKET_SCHEMES
from imagebeam.modules.handles.buckets import fetch_from_bucket
from imagebeam.modules.handles.cache import Cache
from imagebeam.modules.tensorflow.subprocess import require_tensorflow, run_task
from imagebeam.modules.types import FLATBUFFER_SUFFIX
from imagebeam.storage import Settings, StoreError, store_for

_HUB_CACHE_VARIABLE = "TFHUB_CACHE_DIR"

# The user named the URL, so it may lead into the user's own network.
_SETTINGS = Settings(
    seconds=600.0, allow_private_hosts=True, honour_opt_outs=False, use_proxies=True
)
_MOST_BYTES = 2 << 30
"""The largest flatbuffer there can be: its offsets have 31 bits."""


def is_url(text: str) -> bool:
    """Tell if the handle `text` is a URL and not a path."""
    return "://" in text


def fetch(url: str, cache: Cache) -> Path:
    """Fetch the module at `url` unless it is cached; returns a local directory or file.

    TF-Hub modules are kept in $TFHUB_CACHE_DIR, where `tensorflow_hub` keeps them. Without this
    variable they are kept in `cache`, because the default of the library is a directory that all
    users share.

    Raises:
        ModuleError: the address cannot be reached or is not a module, or TensorFlow is missing.
    """
    scheme = url.partition("://")[0].lower()
    if scheme in BUCKET_SCHEMES:
        return fetch_from_bucket(url, cache)
    if scheme not in ("http", "https"):
        raise ModuleError(
            f"{url!r}: modules can be fetched from http, https, gs and s3 only. "
            "Copy it to this machine and give its path."
        )
    if urllib.parse.urlsplit(url).path.endswith(FLATBUFFER_SUFFIX):
        key = hashlib.sha256(url.encode()).hexdigest()
        return cache.entry("flatbuffers", key, lambda to: _download(url, to)) / "module.tflite"
    return _fetch_from_hub(url, cache)


def _fetch_from_hub(url: str, cache: Cache) -> Path:
    # The directory name in the cache of the library, see https://www.tensorflow.org/hub/caching.
    key = hashlib.sha1(url.encode()).hexdigest()
    shared = os.environ.get(_HUB_CACHE_VARIABLE)
    if not shared:
        return cache.entry("tfhub", key, lambda to: _resolve(url, str(to))) / key
    cached = Path(shared) / key
    # Looking here first lets a job run offline and without TensorFlow.
    if cached.is_dir() and any(cached.iterdir()):
        return cached
    return _resolve(url, shared)


def _resolve(url: str, hub_cache: str) -> Path:
    require_tensorflow(url, "fetching a TF-Hub module")
    return Path(run_task("resolve", {_HUB_CACHE_VARIABLE: hub_cache}, url=url))


def _download(url: str, directory: Path) -> None:
    try:
        data = store_for(url, _SETTINGS).read(url, _MOST_BYTES)
    except StoreError as error:
        raise ModuleError(
            f"{url!r}: cannot be fetched ({error}). Check the address and the network."
        ) from error
    (directory / "module.tflite").write_bytes(data)
