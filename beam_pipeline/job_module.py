"""The module of a job: open it, warn of its limits, and put it where workers find it."""

import hashlib
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from imagebeam.beam_pipeline.options.label_options import LabelOptions
from imagebeam.images import uris
from imagebeam.modules import staging
from imagebeam.modules.class_names import IMAGENET_CLASS_COUNT
from imagebeam.modules.handles.catalogue import DEMO, default_module
from imagebeam.modules.handles.download import Progress
from imagebeam.modules.open_module import open_module
from imagebeam.modules.types import Module, StagedModule
from imagebeam.outputs.files import write_whole
from imagebeam.outputs.layout import Layout
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
    """Return whether all inputs are in the sample archive."""
    paths = (Path(os.path.abspath(uris.to_path(name))) for name in inputs)
    return all(path.is_relative_to(ARCHIVE) for path in paths)


def staged(module: Module, layout: Layout, packed: bytes) -> StagedModule:
    """Return the module as workers find it: below the output, which they can read."""
    path = layout.module(module.digest, staging.suffix(module))
    digest = hashlib.sha256(packed).hexdigest()
    return StagedModule(
        module.handle, module.digest, module.engine, path, module.info, file_digest=digest
    )


def stage(module: StagedModule, packed: bytes) -> None:
    """Write the file of the module, unless it is there.

    A file with other content was checked against the record of the run that wrote it (see
    `identity.check`): another version compiled the same module.
    """
    with suppress(FileNotFoundError):
        if hashlib.sha256(module.path.read_bytes()).hexdigest() == module.file_digest:
            return
    write_whole(module.path, packed)
