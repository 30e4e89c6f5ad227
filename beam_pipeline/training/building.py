"""Build modules from checkpoints and networks with TensorFlow."""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imagebeam.beam_pipeline.reporting import console
from imagebeam.modules.errors import ModuleError
from imagebeam.modules.handles.cache import Cache
from imagebeam.modules.handles.catalogue import (
    CatalogueEntry,
    catalogue,
    checkpoint_of,
    fetch_published,
)
from imagebeam.modules.tensorflow.subprocess import require_tensorflow, run_task, tensorflow_version
from imagebeam.stderr_redirection import redirect_descriptor
from imagebeam.version import __version__

if TYPE_CHECKING:
    from imagebeam.mobilenet_v1.network import Network


def checkpoint_of_handle(text: str) -> tuple[Path | None, CatalogueEntry | None]:
    """Find a checkpoint by its prefix or by a name of the catalogue.

    The files of a prefix come first. A missing archive of the catalogue is fetched.

    Returns:
        The prefix and the entry of the catalogue, where there are any.

    Raises:
        ModuleError: the archive cannot be fetched, or holds no published checkpoint.
    """
    if Path(f"{text}.index").exists():
        return Path(text), None
    if (entry := catalogue().get(text)) is None:
        return None, None
    with console.fetching(sys.stderr) as progress:
        fetch_published(entry, Cache(), progress)
    if (prefix := checkpoint_of(entry, Cache())) is None:
        raise ModuleError(
            f"{text!r}: the fetched archive is not the published one, so only its flatbuffer is "
            "kept. Give the path of a checkpoint without .index or .data-…."
        )
    return prefix, entry


def start_tensorflow(purpose: str) -> None:
    """Import TensorFlow without its start-up messages; raise ModuleError if it is not installed."""
    require_tensorflow(purpose, "it")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # Native code writes there too, and no setting of TensorFlow's prevents it.
    with open(os.devnull, "w") as nowhere, redirect_descriptor(nowhere.fileno()):
        import tensorflow as tf

        tf.zeros(())  # the first operation starts the devices


def export(
    network: "Network",
    output: Path,
    classes: Sequence[str] | None,
    provenance: Mapping[str, Any],
    extra_files: Mapping[str, bytes] | None = None,
) -> None:
    """Write `network` as a module that runs with and without TensorFlow.

    The extra files are more files of `assets.extra`, by name.

    Raises:
        NetworkError: `output` exists or cannot be written.
        ModuleError: the network cannot be compiled.
    """
    from imagebeam.mobilenet_v1.export import export_module

    made_with = {"imagebeam": __version__, "tensorflow": tensorflow_version()}
    export_module(
        network,
        output,
        classes=classes,
        provenance={**provenance, **made_with},
        compiler=_compile,
        extra_files=extra_files,
    )


def _compile(saved_model: Path, flatbuffer: Path) -> None:
    refusal = run_task("compile", path=str(saved_model), output=str(flatbuffer))["refusal"]
    if refusal is not None:
        raise ModuleError(f"the module cannot be compiled: {refusal}.")
