"""Fetch modules by URL: flatbuffers directly, TF-Hub modules through their own library."""

import functools
import hashlib
import os
import urllib.parse
from pathlib import Path

from imagebeam.modules.errors import ModuleError
from imagebeam.modules.handles.buckets import SCHEMES as BUCKET_SCHEMES
from imagebeam.modules.handles.buckets import fetch_from_bucket
from imagebeam.modules.handles.cache import Cache
from imagebeam.modules.handles.download import Progress, describe, download
from imagebeam.modules.handles.model_hubs import fetch_from_model_hub, is_model_hub
from imagebeam.modules.tensorflow.subprocess import require_tensorflow, run_task
from imagebeam.modules.types import FLATBUFFER_SUFFIX
from imagebeam.storage import StoreError

_HUB_CACHE_VARIABLE = "TFHUB_CACHE_DIR"


def is_url(text: str) -> bool:
    """Return whether the handle `text` is a URL and not a path."""
    return "://" in text


def fetch(url: str, cache: Cache, progress: Progress | None = None) -> Path:
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
    if is_model_hub(url):
        return fetch_from_model_hub(url, cache, progress)
    if scheme not in ("http", "https"):
        raise ModuleError(
            f"{url!r}: modules can be fetched from http, https, gs, s3, kaggle and hf only. "
            "Copy it to this machine and give its path."
        )
    if urllib.parse.urlsplit(url).path.endswith(FLATBUFFER_SUFFIX):
        key = hashlib.sha256(url.encode()).hexdigest()
        make = functools.partial(_download, url, progress=progress)
        return cache.entry("flatbuffers", key, make) / "module.tflite"
    return _fetch_from_hub(url, cache)


def cached_hub_module(url: str, cache: Cache) -> Path | None:
    """Return the directory of a TF-Hub module that has been fetched before; None otherwise."""
    key = _hub_key(url)
    if shared := os.environ.get(_HUB_CACHE_VARIABLE):
        cached = Path(shared) / key
        return cached if cached.is_dir() and any(cached.iterdir()) else None
    return _fetch_from_hub(url, cache) if cache.has("tfhub", key) else None


def _fetch_from_hub(url: str, cache: Cache) -> Path:
    key = _hub_key(url)
    shared = os.environ.get(_HUB_CACHE_VARIABLE)
    if not shared:
        return cache.entry("tfhub", key, lambda to: _resolve(url, str(to))) / key
    # Looking here first lets a job run offline and without TensorFlow.
    return cached_hub_module(url, cache) or _resolve(url, shared)


def _hub_key(url: str) -> str:
    # The directory name in the cache of the library, see https://www.tensorflow.org/hub/caching.
    return hashlib.sha1(url.encode()).hexdigest()


def _resolve(url: str, hub_cache: str) -> Path:
    require_tensorflow(url, "fetching a TF-Hub module")
    return Path(run_task("resolve", {_HUB_CACHE_VARIABLE: hub_cache}, url=url))


def _download(url: str, directory: Path, progress: Progress | None = None) -> None:
    try:
        download(url, directory / "module.tflite", progress)
    except StoreError as error:
        raise ModuleError(
            f"{url!r}: cannot be fetched ({describe(error)}). Check the address and the network."
        ) from error
