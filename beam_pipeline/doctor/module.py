"""Check that the module loads, runs, and provides the requested outputs."""

import time
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from imagebeam.beam_pipeline import job_identity, job_module
from imagebeam.beam_pipeline.doctor.finding import Finding, FindingState
from imagebeam.beam_pipeline.options.label_options import LabelOptions
from imagebeam.images import uris
from imagebeam.modules.engines import load_engine
from imagebeam.modules.model_outputs import ModelOutputs
from imagebeam.modules.notes import CONSTANT_ANSWERS
from imagebeam.modules.types import Module


def check_module(options: LabelOptions) -> Iterator[Finding]:
    """Yield one line for the module and its engine, and one for the class names."""
    start = time.perf_counter()
    module = job_module.open_job_module(options)
    engine = load_engine(module.engine, module.path, module.info)
    answers = engine.run(_picture(module.info.image_size))
    seconds = time.perf_counter() - start
    height, width = module.info.image_size
    handle = uris.without_secrets(module.handle)
    facts = {
        "handle": handle,
        "digest": module.digest,
        "engine": module.engine,
        "image_size": [height, width],
        "seconds": seconds,
    }
    if (wrong := _wrong(answers)) is not None:
        yield Finding(
            "module",
            FindingState.FAILURE,
            f"{handle}: on {module.engine} {wrong} for a plain picture. "
            "Try --engine tensorflow; if that does not help, the module is damaged.",
            facts,
        )
        return
    yield Finding(
        "module",
        FindingState.OK,
        f"{handle} runs on {module.engine}, {height} × {width}, "
        f"{module.digest}; ready in {seconds:.1f} s",
        facts,
    )
    for warning in job_module.warnings(options, module):
        constant = warning.startswith(CONSTANT_ANSWERS)
        yield Finding("module", FindingState.FAILURE if constant else FindingState.WARNING, warning)
    job_identity.check_emit(options, module)
    yield _labels(options, module)


def _labels(options: LabelOptions, module: Module) -> Finding:
    names = job_identity.class_names(options, module)
    facts = {"classes": module.info.class_count, "named": names is not None}
    if "labels" not in options.emit:
        return Finding("labels", FindingState.OK, "not requested", facts)
    if names is None:
        return Finding("labels", FindingState.WARNING, "the classes have no names", facts)
    source = "built into the module"
    if options.labels:
        source = f"from {options.labels}"
    elif module.info.names_assumed:
        source = f"of ImageNet, because the module has {module.info.class_count:,} classes"
    return Finding("labels", FindingState.OK, f"{len(names):,} class names, {source}", facts)


def _picture(size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """Return a picture from dark to light: uint8 (1, height, width, 3)."""
    height, width = size
    row = np.linspace(0, 255, width).astype(np.uint8)
    return np.tile(row[:, np.newaxis], (1, height, 1, 3))


def _wrong(answers: ModelOutputs) -> str | None:
    for head in ("logits", "scores", "features"):
        values = getattr(answers, head)
        if values is not None and not np.isfinite(values).all():
            return f"its {head} are not finite"
    return None
