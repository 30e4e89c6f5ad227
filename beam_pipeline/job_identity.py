"""What the rows of a job depend on, as its module and its options have it. Knows no Beam."""

import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

from imagebeam.beam_pipeline.exit_codes import UsageError
from imagebeam.beam_pipeline.options import LabelOptions
from imagebeam.images import uris
from imagebeam.images.listing import inputs
from imagebeam.images.listing.sources import Source
from imagebeam.modules import Module, read_class_names
from imagebeam.modules.types import LITERT
from imagebeam.outputs import identity
from imagebeam.version import __version__


def check_emit(options: LabelOptions, module: Module) -> None:
    """See that the module can give what is to be emitted.

    Raises:
        UsageError: it cannot.
    """
    needed = {"labels": "scores", "logits": "logits", "features": "features"}
    for name in options.emit:
        if needed[name] not in module.info.heads:
            able = [each for each, head in needed.items() if head in module.info.heads]
            reason = (
                "it ends in a softmax, and logits cannot be had back from scores"
                if name == "logits" and "scores" in module.info.heads
                else f"it has no {needed[name]}"
            )
            raise UsageError(
                f"--emit {name}: module {module.handle} cannot give {name}: {reason}. "
                f"It can give {', '.join(able)}."
            )


def class_names(options: LabelOptions, module: Module) -> tuple[str, ...] | None:
    """The names of the classes: those of --labels, or else the module's own.

    Raises:
        ModuleError: the file cannot be read, or has more or fewer names than the module classes.
    """
    if options.labels is None or module.info.class_count is None:
        return module.info.class_names
    return read_class_names(options.labels, module.info.class_count)


def kept(options: LabelOptions, sources: Sequence[Source]) -> dict[str, Any]:
    """The columns of manifests that rows have, by their names there, with their types.

    Raises:
        InputError: two manifests differ.
    """
    columns = inputs.extra_columns(sources)
    return {name: columns[column] for column, name in options.keep.items()}


def provenance(options: LabelOptions, module: Module) -> dict[str, Any]:
    """What outputs say of the job: enough to tell whether two rows can be compared."""
    info = module.info
    packages = ["apache-beam", "pillow", "numpy", "pyarrow"]
    packages.append("ai-edge-litert" if module.engine == LITERT else "tensorflow")
    return {
        "module": uris.without_secrets(module.handle),
        "module_digest": module.digest,
        "engine": module.engine,
        "preprocessing": {
            "image_size": list(info.image_size),
            "resize": options.resize,
            "max_image_bytes": options.max_image_bytes,
            "max_image_pixels": options.max_image_pixels,
        },
        "vector_lengths": {"logits": info.class_count, "features": info.feature_length},
        "versions": {
            "imagebeam": __version__,
            "python": platform.python_version(),
            **{package: version(package) for package in packages},
        },
    }


def of(
    options: LabelOptions,
    module: Module,
    names: Sequence[str] | None,
    columns: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """What makes two runs into one output the same job; see `imagebeam.outputs.identity`.

    Args:
        options: of the job.
        module: what it runs.
        names: of the classes; None where indices are the names.
        columns: of manifests that rows have, with their types.
    """
    return {
        "module": uris.without_secrets(module.handle),
        "module_digest": module.digest,
        "engine": module.engine,
        "image_size": list(module.info.image_size),
        "resize": options.resize,
        "emit": list(options.emit),
        "top_k": options.top_k if "labels" in options.emit else None,
        "labels": identity.names_digest(names) if "labels" in options.emit else None,
        "format": options.format,
        "kept": {name: str(kind) for name, kind in columns.items()} if columns else None,
        "versions": provenance(options, module)["versions"],
    }
