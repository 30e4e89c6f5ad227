"""The facts that the rows of a job depend on, from its module and options. Does not use Beam."""

import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

from imagebeam.beam_pipeline import job_module
from imagebeam.beam_pipeline.exit_codes import UsageError
from imagebeam.beam_pipeline.options.label_options import LabelOptions
from imagebeam.images import uris
from imagebeam.images.listing import columns
from imagebeam.images.listing.sources import LISTING_VERSION, Source
from imagebeam.modules.class_names import read_class_names
from imagebeam.modules.input_ranges import ASSUMED, RGB, STATED
from imagebeam.modules.types import LITERT, ONNX, TENSORFLOW, Module
from imagebeam.outputs import identity
from imagebeam.outputs.schema import RUN_COLUMNS
from imagebeam.version import __version__

_PACKAGES_OF_ENGINES = {LITERT: "ai-edge-litert", TENSORFLOW: "tensorflow", ONNX: "onnxruntime"}


def check_emit(options: LabelOptions, module: Module) -> None:
    """Raise UsageError if the module lacks an output that is to be emitted."""
    needed = {"labels": "scores", "logits": "logits", "features": "features"}
    for name in options.emit:
        if needed[name] not in module.info.heads:
            available = [name for name, head in needed.items() if head in module.info.heads]
            reason = (
                "it ends in a softmax, and logits cannot be recovered from scores"
                if name == "logits" and "scores" in module.info.heads
                else f"it has no {needed[name]}"
            )
            fix = (
                " If its output holds classes, give --module-output NAME=logits."
                if name == "labels"
                else ""
            )
            raise UsageError(
                f"--emit {name}: module {module.handle} does not provide {name}: {reason}. "
                f"It provides {', '.join(available)}.{fix}"
            )


def class_names(options: LabelOptions, module: Module) -> tuple[str, ...] | None:
    """Return the class names: those of --labels, or else those of the module.

    Raises:
        ModuleError: the file cannot be read, or its number of names differs from the classes of
            the module.
    """
    if options.labels is None or module.info.class_count is None:
        return module.info.class_names
    return read_class_names(options.labels, module.info.class_count)


def extra_columns(options: LabelOptions, sources: Sequence[Source]) -> dict[str, Any]:
    """Return the columns of rows after those of the module: their names and their types.

    They are the manifest columns that rows keep, those that listing and reading add, and those
    that say which run wrote a row.

    Raises:
        InputError: two manifests differ in the type of a column.
    """
    # Imported here, because it is slow to import and most jobs keep no columns.
    import pyarrow as pa

    found = columns.extra_columns(sources)
    kept = {name: found[column] for column, name in options.keep.items()}
    added = dict.fromkeys(options.added_columns, pa.string())
    return kept | added | {name: RUN_COLUMNS[name] for name in options.run_columns}


def provenance(options: LabelOptions, module: Module) -> dict[str, Any]:
    """Return the facts that outputs record: enough to decide whether two rows can be compared."""
    info = module.info
    packages = ["apache-beam", "pillow", "numpy", "pyarrow"]
    packages.append(_PACKAGES_OF_ENGINES[module.engine])
    return {
        "module": uris.without_secrets(module.handle),
        "module_digest": module.digest,
        "engine": module.engine,
        "preprocessing": {
            "image_size": list(info.image_size),
            "input_range": [list(each) for each in info.channel_ranges or (info.value_range,)],
            "input_range_origin": info.range_origin,
            "channels": info.channels,
            "resize": options.resize,
            "max_image_bytes": options.max_image_bytes,
            "max_image_pixels": options.max_image_pixels,
            # Left out by default: outputs of earlier versions, which lack it, can be continued.
            **({"truncated": options.truncated} if options.truncated != "refuse" else {}),
        },
        **({"warnings": notes} if (notes := job_module.warnings(options, module)) else {}),
        **_scores(options, module),
        "vector_lengths": {"logits": info.class_count, "features": info.feature_length},
        "versions": {
            "imagebeam": __version__,
            "python": platform.python_version(),
            **{package: version(package) for package in packages},
        },
    }


def _scores(options: LabelOptions, module: Module) -> dict[str, Any]:
    """Return what scores are: results of a softmax sum to one, independent ones do not."""
    if "labels" not in options.emit:
        return {}
    kind = "independent" if module.info.independent else "softmax"
    least = {} if options.min_score is None else {"min_score": options.min_score}
    assumed = module.info.names_assumed and options.labels is None
    return {"scores": kind, **least, **({"class_names": "assumed: ImageNet"} if assumed else {})}


def _input_range(module: Module) -> list[list[float]] | None:
    """Return the input range if it is neither stated by the module nor the usual assumption."""
    info = module.info
    if info.range_origin in (STATED, ASSUMED):
        return None
    return [list(each) for each in info.channel_ranges or (info.value_range,)]


def of(
    options: LabelOptions,
    module: Module,
    names: Sequence[str] | None,
    columns: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return what makes two runs into one output the same job; see `imagebeam.outputs.identity`.

    Args:
        names: the names of the classes; None if indices are the names.
        columns: manifest columns that rows keep, with their types.
    """
    return {
        "module": uris.without_secrets(module.handle),
        "module_digest": module.digest,
        "engine": module.engine,
        "image_size": list(module.info.image_size),
        "input_range": _input_range(module),
        "channels": None if module.info.channels == RGB else module.info.channels,
        "signature": options.signature,
        "module_output": [f"{name}={kind}" for name, kind in options.module_output] or None,
        "resize": options.resize,
        "emit": list(options.emit),
        "top_k": options.top_k if "labels" in options.emit else None,
        "min_score": options.min_score if "labels" in options.emit else None,
        "labels": identity.names_digest(names) if "labels" in options.emit else None,
        "format": options.format,
        "hide_query": None if options.hide_query == "secret" else options.hide_query,
        "kept": {name: str(kind) for name, kind in columns.items()} if columns else None,
        # The identity holds whether rows have names as written. The folder itself may move.
        "root": None if options.root is None else "DIR",
        "listing": _listing(options),
        "versions": provenance(options, module)["versions"],
    }


def _listing(options: LabelOptions) -> dict[str, Any]:
    """Return the rules that decide which images are requested.

    They may differ between two runs into one output: the summary of each run counts what it
    requested. Outputs of versions without this entry used rules of version 1.
    """
    return {
        "version": LISTING_VERSION,
        "uri_column": options.uri_column,
        "name": options.name,
        "exclude": list(options.exclude),
        "check_digest": options.check_digest,
    }
