"""Handles: the names of modules that users write, and the files they refer to."""

import re
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from imagebeam.modules.errors import ModuleError, no_graph
from imagebeam.modules.handles.archives import BUNDLE_SUFFIX, module_root, unpack, unpack_bundle
from imagebeam.modules.handles.cache import Cache
from imagebeam.modules.handles.catalogue import (
    DEMO,
    CatalogueEntry,
    catalogue,
    entry_of_hub_url,
    fetch_published,
    is_cached,
    nearest_names,
)
from imagebeam.modules.handles.digest import PREFIX, digest_of_file
from imagebeam.modules.handles.download import Progress
from imagebeam.modules.handles.urls import cached_hub_module, fetch, is_url
from imagebeam.modules.tensorflow.subprocess import tensorflow_is_installed
from imagebeam.modules.types import ARCHIVE_SUFFIXES, FLATBUFFER_SUFFIX, GRAPH_FILE, ONNX_SUFFIX

_PIN = "@sha256:"
_DEMO_FOLDER = "samples/module"

_KERAS = 'Export it: keras.saving.load_model("MODEL").export("module/").'
_TORCH = "Export the network with torch.onnx.export, and give the .onnx file."
_EXPORTS = {
    ".keras": _KERAS,
    ".h5": _KERAS,
    ".hdf5": _KERAS,
    ".pb": "Give the folder of a SavedModel; convert a frozen graph to .tflite first.",
    ".zip": "Unpack it, and give the module in it.",
    ".pt": _TORCH,
    ".pth": _TORCH,
}
_KINDS = (FLATBUFFER_SUFFIX, ONNX_SUFFIX, BUNDLE_SUFFIX)
_HEX_DIGITS = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Handle:
    """The parts of a handle.

    Attributes:
        text: name, path or URL, without the pin.
        pin: the required digest of the module, "sha256:...", or None.
    """

    text: str
    pin: str | None

    @classmethod
    def parse(cls, handle: str) -> "Handle":
        """Split off the pin of `handle`.

        Raises:
            ModuleError: `handle` is empty, or its pin is not 64 hexadecimal digits.
        """
        text, found, digits = handle.rpartition(_PIN)
        if not found:
            text, digits = handle, ""
        elif not _HEX_DIGITS.fullmatch(digits):
            raise ModuleError(
                f"{handle!r}: its pin is not {PREFIX} and 64 lower-case hexadecimal digits. "
                "Copy the digest that `imagebeam module show` prints."
            )
        if not text:
            raise ModuleError(f"{handle!r}: an empty handle. Give the path or URL of a module.")
        return cls(text, PREFIX + digits if found else None)


@dataclass(frozen=True)
class Resolved:
    """The files that a handle refers to.

    Attributes:
        path: a local directory or `.tflite` file.
        published: the entry of the catalogue, if it is a module of the catalogue.
        notes: statements for the user about the choice of the files.
    """

    path: Path
    published: CatalogueEntry | None = None
    notes: tuple[str, ...] = ()


def resolve(text: str, cache: Cache, progress: Progress | None = None) -> Resolved:
    """Find the local directory or `.tflite` file that the handle `text` refers to.

    Names of the catalogue and `demo` come before local names: `./demo` is a local folder. Modules
    of the catalogue and URLs are fetched into `cache`, or taken from the cache of
    `tensorflow_hub`. Archives are unpacked into `cache` once. A module in a bucket is fetched
    again when it has changed.

    Raises:
        ModuleError: `text` refers to nothing, or not to a module.
    """
    if (published := catalogue().get(text)) is not None:
        return Resolved(fetch_published(published, cache, progress), published)
    if (published := entry_of_hub_url(text)) is not None:
        return _from_hub_or_catalogue(text, published, cache, progress)
    if text == DEMO:
        return Resolved(Path(str(resources.files("imagebeam").joinpath(_DEMO_FOLDER))))
    path = fetch(text, cache, progress) if is_url(text) else Path(text).expanduser()
    return Resolved(_module_at(path, text, cache))


def _from_hub_or_catalogue(
    url: str, published: CatalogueEntry, cache: Cache, progress: Progress | None
) -> Resolved:
    """Take a module from tfhub.dev; where that fails, from the catalogue."""
    if (path := cached_hub_module(url, cache)) is not None:
        return Resolved(_module_at(path, url, cache))
    reason = "TensorFlow, which fetches from there, is not installed"
    if tensorflow_is_installed() and not is_cached(published, cache):
        try:
            return Resolved(_module_at(fetch(url, cache), url, cache))
        except ModuleError as error:
            reason = str(error)
    elif tensorflow_is_installed():
        reason = "the catalogue's copy is in the cache already"
    note = (
        f"the module does not come from tfhub.dev ({reason}). It is {published.name} of the "
        "catalogue: the network of this address, in the release of August 2018."
    )
    return Resolved(fetch_published(published, cache, progress), published, (note,))


def _module_at(path: Path, text: str, cache: Cache) -> Path:
    if path.is_dir():
        _check_directory(path, text)
        return path
    if not path.is_file():
        nearest = [] if "/" in text else nearest_names(text)
        fix = f"Did you mean {' or '.join(nearest)}?" if nearest else "Check the path."
        raise ModuleError(f"{text!r}: there is no such module. {fix}")
    if path.name.endswith(ARCHIVE_SUFFIXES):
        key = digest_of_file(path).removeprefix(PREFIX)
        root = module_root(cache.entry("unpacked", key, lambda to: unpack(path, to)), GRAPH_FILE)
        _check_directory(root, text)
        return root
    if path.suffix == BUNDLE_SUFFIX:
        key = digest_of_file(path).removeprefix(PREFIX)
        bundle = cache.entry("unpacked", key, lambda to: unpack_bundle(path, to))
        return next(bundle.glob(f"*{FLATBUFFER_SUFFIX}"))
    if path.suffix in _EXPORTS:
        raise ModuleError(
            f"{text!r}: {path.suffix} is not a format of TF-Hub. {_EXPORTS[path.suffix]}"
        )
    if path.suffix not in (FLATBUFFER_SUFFIX, ONNX_SUFFIX):
        raise ModuleError(
            f"{text!r}: not a directory, {', '.join(ARCHIVE_SUFFIXES)}, {FLATBUFFER_SUFFIX} or "
            f"{ONNX_SUFFIX} file. Give a TF-Hub module."
        )
    return path


def _check_directory(path: Path, text: str) -> None:
    if (path / GRAPH_FILE).is_file():
        return
    found = [each.name for kind in _KINDS for each in sorted(path.glob(f"*{kind}"))]
    found += [each.parent.name for each in sorted(path.glob(f"*/{GRAPH_FILE}"))]
    # Users do not know the paths of unpacked and fetched modules.
    if not found or path != Path(text).expanduser():
        raise no_graph(text)
    labels = "".join(f" with --labels {each}" for each in sorted(path.glob("*label*.txt"))[:1])
    raise ModuleError(
        f"{text!r}: holds no {GRAPH_FILE}, but {', '.join(found)}. Give {path / found[0]}{labels}."
    )
