"""The module of a job: open it, and say what the user should know about it. Does not use Beam."""

import os
from collections.abc import Sequence
from pathlib import Path

from imagebeam.beam_pipeline.options import LabelOptions
from imagebeam.images import uris
from imagebeam.modules import DEMO, Module, default_module, open_module
from imagebeam.modules.class_names import IMAGENET_CLASS_COUNT
from imagebeam.modules.handles.download import Progress
from imagebeam.samples import ARCHIVE


def open_job_module(options: LabelOptions, progress: Progress | None = None) -> Module:
    """Open the module that the options name, or the default module.

    Raises:
        ModuleError: it cannot be used.
    """
    return open_module(
        options.module or default_module(),
        options.engine,
        progress=progress,
        options=options.module_options,
    )


def warnings(options: LabelOptions, module: Module) -> list[str]:
    """Return what the user should know about the module before trusting its labels."""
    found = list(module.notes)
    info = module.info
    if "labels" in options.emit and options.labels is None and info.class_names is None:
        fix = "Give --labels FILE with one name per line"
        if info.class_count == IMAGENET_CLASS_COUNT - 1:
            fix += ", or --labels imagenet if they are the 1,000 classes of ImageNet"
        found.append(
            f"the module has {info.class_count:,} classes without names, so the column `label` "
            f"holds numbers. {fix}. If they are not classes but features, give --emit features "
            "and --module-output NAME=features."
        )
    if module.handle == DEMO and not _is_sample_archive(options.inputs):
        found.append(
            f"the module {DEMO!r} knows only the {module.info.class_count} classes of the drawn "
            "sample pictures, so its labels for other pictures are meaningless. Leave out "
            "--module, or name another module."
        )
    return found


def _is_sample_archive(inputs: Sequence[str]) -> bool:
    """Tell if all inputs are in the sample archive."""
    return all(_is_below(ARCHIVE, name) for name in inputs)


def _is_below(folder: Path, name: str) -> bool:
    path = Path(os.path.abspath(uris.to_path(name)))
    return path == folder or folder in path.parents
