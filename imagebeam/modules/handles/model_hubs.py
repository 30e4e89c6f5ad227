"""Fetch modules from Kaggle (`kaggle://`) and Hugging Face (`hf://`) through their own libraries.

The libraries find the address, sign in and keep their own caches, so a model that they have already
needs no network. The module is copied from there: the copy stays the same when a publisher moves a
branch or when another program tidies that cache.
"""

import contextlib
import errno
import hashlib
import importlib.util
import io
import re
import shutil
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from imagebeam.extras import install_command
from imagebeam.modules.errors import ModuleError, reason_of
from imagebeam.modules.handles.cache import Cache
from imagebeam.modules.handles.download import Progress
from imagebeam.modules.types import ARCHIVE_SUFFIXES, FLATBUFFER_SUFFIX, GRAPH_FILE

_FILES = (FLATBUFFER_SUFFIX, *ARCHIVE_SUFFIXES)
_NAME = r"[A-Za-z0-9](?:[\w.-]*\w)?"
_KAGGLE = re.compile(rf"kaggle://(?P<model>{_NAME}(?:/{_NAME}){{3}}(?:/\d+)?)(?:/(?P<path>.+))?")
_HF = re.compile(
    rf"hf://(?P<model>{_NAME}/{_NAME})(?:@(?P<revision>[^/@]+))?(?:/(?P<path>.+))?", re.ASCII
)
_SAVED_MODEL = ("*.pb", "variables/*", "assets/*", "assets.extra/*")
_SHOWN = 5


@dataclass(frozen=True)
class _Hub:
    """One of the two hubs.

    Attributes:
        pattern: the pattern of its handles, with the groups `model`, `path` and possibly
            `revision`.
        form: the same for people.
        library: the package that fetches from it.
        token: the environment variable for models that need an account.
        fetch: downloads the model of a matched handle, or the named file of it; returns the folder
            with its files.
    """

    pattern: re.Pattern[str]
    form: str
    library: str
    token: str
    fetch: Callable[[re.Match[str], str], Path]


def is_model_hub(text: str) -> bool:
    """Return whether the handle `text` names a model of one of the hubs."""
    return text.partition("://")[0].lower() in _HUBS and "://" in text


def fetch_from_model_hub(url: str, cache: Cache, progress: Progress | None = None) -> Path:
    """Fetch the module at `url` once, as a local directory, archive or `.tflite` file.

    Raises:
        ModuleError: the handle is malformed, its library is not installed, the model cannot be
            fetched, or it does not hold exactly one module.
    """
    scheme = url.partition("://")[0].lower()
    hub = _HUBS[scheme]
    match = hub.pattern.fullmatch(url)
    path = "" if match is None else (match["path"] or "").rstrip("/")
    if match is None or not {"", ".", ".."}.isdisjoint(path.split("/")[bool(not path) :]):
        raise ModuleError(f"{url!r}: not a handle of this hub. Its form is {hub.form}.")
    key = hashlib.sha256(url.encode()).hexdigest()
    entry = cache.entry(
        "model-hubs", key, lambda to: _copy(_found(url, hub, match, path, progress), to)
    )
    [module] = entry.iterdir()
    return module


def _found(url: str, hub: _Hub, match: re.Match[str], path: str, progress: Progress | None) -> Path:
    """Download the model and find the module in it."""
    if importlib.util.find_spec(hub.library) is None:
        raise ModuleError(
            f"{url!r}: fetching it needs {hub.library}, which is not installed. "
            f"Run: {install_command(url.partition('://')[0].lower())}"
        )
    if progress is not None:
        progress(0, None)
    # Both libraries write notes and bars of their own, one of them to standard output.
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        try:
            folder = hub.fetch(match, path)
        # They raise errors of many libraries.
        except Exception as error:
            if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise ModuleError(
                f"{url!r}: {hub.library} cannot fetch it ({reason_of(error)}). Check the address "
                f"and the network. If the model needs an account, set {hub.token}."
            ) from error
    return _module_in(url, folder / path)


def _module_in(url: str, path: Path) -> Path:
    """Return the file or the SavedModel folder at `path`, or the only module in this folder."""
    if path.is_file() or (path / GRAPH_FILE).is_file():
        return path
    files = (file for file in path.rglob("*") if file.name.endswith(_FILES) and file.is_file())
    found = sorted(file.relative_to(path).as_posix() for file in files)
    if len(found) == 1:
        return path / found[0]
    if not found:
        raise ModuleError(
            f"{url!r}: there is no {GRAPH_FILE} and no {' or '.join(_FILES)} file. "
            "Give a model in the format of TensorFlow Hub or LiteRT."
        )
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    raise ModuleError(
        f"{url!r}: holds several modules ({', '.join(found[:_SHOWN])}{more}). "
        f"Name one, for example {url.rstrip('/')}/{found[0]}"
    )


def _copy(module: Path, directory: Path) -> None:
    if module.is_file():
        shutil.copyfile(module, directory / module.name)
    else:
        shutil.copytree(module, directory / "module", copy_function=shutil.copyfile)


def _from_kaggle(match: re.Match[str], path: str) -> Path:
    import kagglehub

    if not path.endswith(_FILES):
        return Path(kagglehub.model_download(match["model"]))
    file = Path(kagglehub.model_download(match["model"], path))
    return file.parents[len(PurePosixPath(path).parts) - 1]


def _from_hugging_face(match: re.Match[str], path: str) -> Path:
    import huggingface_hub

    # The weights of other frameworks in the same repository stay where they are.
    base = f"{path}/" if path else ""
    folder = [f"{base}{name}" for name in (*_SAVED_MODEL, f"*{FLATBUFFER_SUFFIX}")]
    return Path(
        huggingface_hub.snapshot_download(
            match["model"],
            revision=match["revision"] and urllib.parse.unquote(match["revision"]),
            allow_patterns=[path] if path.endswith(_FILES) else folder,
        )
    )


_HUBS = {
    "kaggle": _Hub(
        _KAGGLE,
        "kaggle://OWNER/MODEL/FRAMEWORK/VARIATION[/VERSION][/PATH]",
        "kagglehub",
        "KAGGLE_API_TOKEN",
        _from_kaggle,
    ),
    "hf": _Hub(
        _HF,
        "hf://OWNER/REPOSITORY[@REVISION][/PATH]",
        "huggingface_hub",
        "HF_TOKEN",
        _from_hugging_face,
    ),
}
