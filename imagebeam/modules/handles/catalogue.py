"""The catalogue: published modules that are fetched by name, each checked against its digest."""

import csv
import difflib
import functools
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from inspect import get_annotations
from pathlib import Path
from typing import Any

from imagebeam.modules.errors import ModuleError
from imagebeam.modules.handles.archives import unpack
from imagebeam.modules.handles.cache import Cache
from imagebeam.modules.handles.digest import PREFIX, digest_of_file
from imagebeam.modules.handles.download import Progress, describe, download
from imagebeam.modules.types import FLATBUFFER_SUFFIX
from imagebeam.storage import StoreError

DEFAULT_MODULE = "mobilenet_v1_050_160"
"""The module of every command that is given none."""

DEFAULT_VARIABLE = "IMAGEBEAM_MODULE"
"""An environment variable that names another default."""

DEMO = "demo"
"""The handle of the small module that belongs to the sample archive."""

MIRROR_VARIABLE = "IMAGEBEAM_CATALOGUE"
PUBLISHER = "https://storage.googleapis.com/download.tensorflow.org/models"

_KIND = "catalogue"
_HUB_URL = re.compile(
    r"https?://tfhub\.dev/google/imagenet/(mobilenet_v1_\d{3}_\d{3})/quantops/"
    r"(?:classification|feature_vector)/1/?"
)


@dataclass(frozen=True)
class CatalogueEntry:
    """One published MobileNet V1 quantops model.

    Attributes:
        width: multiplier of the depth of all layers, as the publisher writes it.
        size: side of its input in pixels.
        parameters: number of parameters, batch norm included.
        macs: multiply-accumulates per image.
        top_1: published accuracy on ImageNet in percent.
        top_5: likewise, for the five highest scores.
        archive_sha256: digest of its archive.
        flatbuffer_sha256: digest of the flatbuffer, where it is known; "" otherwise.
    """

    width: str
    size: int
    parameters: int
    macs: int
    top_1: float
    top_5: float
    archive_sha256: str
    flatbuffer_sha256: str

    @property
    def name(self) -> str:
        """Return its handle, for example `mobilenet_v1_050_160`."""
        return f"mobilenet_v1_{round(float(self.width) * 100):03}_{self.size}"

    @property
    def archive(self) -> str:
        """Return the path of its archive below the address of the publisher or a mirror."""
        return f"mobilenet_v1_2018_08_02/mobilenet_v1_{self.width}_{self.size}_quant.tgz"

    @property
    def network(self) -> dict[str, Any]:
        """Return the facts about its network, as the metadata of a module has them."""
        return {
            "family": "mobilenet_v1",
            "width": float(self.width),
            "size": self.size,
            "class_count": 1001,
            "parameters": self.parameters,
            "macs": self.macs,
        }


@functools.cache
def catalogue() -> Mapping[str, CatalogueEntry]:
    """Return all entries by name, smallest first."""
    text = resources.files(__package__).joinpath("catalogue.tsv").read_text("utf-8")
    lines = (line for line in text.splitlines() if not line.startswith("#"))
    kinds = get_annotations(CatalogueEntry).items()
    entries = (
        CatalogueEntry(**{name: kind(row[name] or "") for name, kind in kinds})
        for row in csv.DictReader(lines, delimiter="\t")
    )
    return {entry.name: entry for entry in entries}


def default_module() -> str:
    """Return the handle of the module that is used when none is named."""
    return os.environ.get(DEFAULT_VARIABLE) or DEFAULT_MODULE


def entry_of_hub_url(url: str) -> CatalogueEntry | None:
    """Find the entry for the address of one of these modules on tfhub.dev."""
    match = _HUB_URL.fullmatch(url)
    return catalogue().get(match[1]) if match else None


def nearest_names(text: str) -> list[str]:
    """Return the names that are most similar to `text`, best first."""
    return difflib.get_close_matches(text, [*catalogue(), DEMO], n=3, cutoff=0.6)


def is_cached(entry: CatalogueEntry, cache: Cache) -> bool:
    """Return whether the module is in the cache."""
    return cache.has(_KIND, entry.name)


def fetch_published(entry: CatalogueEntry, cache: Cache, progress: Progress | None = None) -> Path:
    """Return the flatbuffer of a published module; fetch it unless it is in the cache.

    The checkpoint of the same archive is kept beside the flatbuffer for `module build` and
    `module train`.

    Raises:
        ModuleError: the archive cannot be fetched, has another digest or lacks the flatbuffer; or
            the cache cannot be used.
    """
    folder = cache.entry(_KIND, entry.name, lambda to: _fetch(entry, cache, to, progress))
    return _flatbuffer(folder, entry)


def checkpoint_of(entry: CatalogueEntry, cache: Cache) -> Path | None:
    """Return the prefix of the checkpoint of a fetched module; None where there is none."""
    index = next(fetch_published(entry, cache).parent.glob("*.ckpt.index"), None)
    return None if index is None else index.with_suffix("")


def _fetch(entry: CatalogueEntry, cache: Cache, directory: Path, progress: Progress | None) -> None:
    base = os.environ.get(MIRROR_VARIABLE, "").rstrip("/") or PUBLISHER
    url = f"{base}/{entry.archive}"
    archive = cache.directory("downloads") / Path(entry.archive).name
    try:
        download(url, archive, progress)
    except (StoreError, OSError) as error:
        raise ModuleError(
            f"{entry.name!r}: cannot be fetched from {_without_user(base)} ({describe(error)}). "
            f"Either run `imagebeam module get {entry.name}` on a machine with network and copy "
            f"its ~/.cache/imagebeam/{_KIND} to {cache.directory(_KIND)}; or give the file of a "
            "module, --module FILE; or use the small module of the sample archive, --module demo."
        ) from error
    try:
        _unpack_published(entry, archive, directory)
    finally:
        archive.unlink()


def _unpack_published(entry: CatalogueEntry, archive: Path, directory: Path) -> None:
    found = digest_of_file(archive).removeprefix(PREFIX)
    trusted = found == entry.archive_sha256
    if not trusted and not entry.flatbuffer_sha256:
        raise _other_digest(entry, "archive", found, entry.archive_sha256)
    try:
        unpack(archive, directory)
    except ModuleError as error:
        if trusted:
            raise
        raise _other_digest(entry, "archive", found, entry.archive_sha256) from error
    flatbuffer = _flatbuffer(directory, entry)
    if not flatbuffer.is_file():
        raise ModuleError(
            f"{entry.name!r}: its archive holds no {flatbuffer.name}. Use another mirror in "
            f"{MIRROR_VARIABLE}, or unset it to fetch from the publisher."
        )
    if not trusted and (digest_of_file(flatbuffer).removeprefix(PREFIX) != entry.flatbuffer_sha256):
        raise _other_digest(entry, "archive", found, entry.archive_sha256)
    for path in list(directory.iterdir()):
        is_checkpoint = ".ckpt." in path.name and trusted
        if path.is_dir():
            shutil.rmtree(path)
        elif path != flatbuffer and not is_checkpoint:
            path.unlink()


def _without_user(url: str) -> str:
    return re.sub("//[^/@]*@", "//", url)


def _flatbuffer(directory: Path, entry: CatalogueEntry) -> Path:
    return directory / f"{Path(entry.archive).stem}{FLATBUFFER_SUFFIX}"


def _other_digest(entry: CatalogueEntry, what: str, found: str, expected: str) -> ModuleError:
    return ModuleError(
        f"{entry.name!r}: the {what} has the digest {PREFIX}{found}, not {PREFIX}{expected} as "
        f"published. Nothing was kept. Use another mirror in {MIRROR_VARIABLE}, or unset it to "
        "fetch from the publisher."
    )
