"""Draws the job's graph from the pipeline itself: its steps, what flows, what is shuffled.

python -m benchmarks.graph docs/assets/graph.svg
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

import apache_beam as beam
from apache_beam.pipeline import PipelineVisitor
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from imagebeam.beam_pipeline.pipeline import Job, build
from imagebeam.images.listing.sources import Source
from imagebeam.images.settings import DecodeLimits, Preprocessing
from imagebeam.modules.open_module import open_module
from imagebeam.outputs.layout import Layout
from imagebeam.outputs.run_token import RunToken
from imagebeam.outputs.schema import PredictionSchema
from imagebeam.samples import MODULE

_STEP, _HEIGHT, _WIDTH, _LEFT = 64, 40, 150, 20

CARRIED = {
    "Reshuffle": "inputs",
    "ReshuffleParts": "file names",
    "JoinDigests": "digests of URIs",
    "JoinPages": "URIs",
    "AddUpPlan": "counts",
    "GroupIntoShards": "URIs",
    "AddUpShards": "counts",
    "CompareFiles": "file names",
    "CountStrayFiles": "counts",
}
"""The contents of a shuffle, by the label of its step."""


@dataclass
class Step:
    """A transform of the flow.

    Attributes:
        name: its label.
        answer: the type of what leaves it.
        shuffles: the grouping steps in it, by the label under which it holds them, each with the
            type of what is grouped.
    """

    name: str
    answer: str = ""
    shuffles: dict[str, str] = field(default_factory=dict)


def steps() -> list[Step]:
    """The job's transforms in their order."""
    module = open_module(str(MODULE))
    job = Job(
        sources=(Source("folder", ("/archive",)),),
        run=RunToken(Layout(Path("/output"))),
        images_per_shard=None,
        preprocessing=Preprocessing(module.info.image_size),
        decode_processes=1,
        decode_limits=DecodeLimits(),
        module=module,
        schema=PredictionSchema(("labels",), 1, module.info.class_names, {}),
        provenance={},
    )
    pipeline = beam.Pipeline(FnApiRunner())
    build(pipeline, job)
    found = {part.full_label: Step(part.full_label) for part in _parts(pipeline)}
    for part in _parts(pipeline):
        found[part.full_label].answer = _type(next(iter(part.outputs.values())).element_type)
    pipeline.visit(_Shuffles(found))
    return list(found.values())


def _parts(pipeline: beam.Pipeline) -> list[Any]:
    return list(pipeline.transforms_stack[0].parts)


class _Shuffles(PipelineVisitor):  # type: ignore[misc] # Beam has no types
    def __init__(self, found: dict[str, Step]) -> None:
        self._found = found

    def visit_transform(self, node: Any) -> None:
        if isinstance(node.transform, beam.GroupByKey):
            step, label, *_ = node.full_label.split("/")
            self._found[step].shuffles[label] = _type(node.inputs[0].element_type)


def _type(element: Any) -> str:
    return str(getattr(element, "__name__", element)).replace("typing.", "")


def draw(flow: list[Step]) -> str:
    """The flow as SVG, from top to bottom."""
    height = _STEP * len(flow) + 20
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 720 {height}" '
            'font-family="sans-serif" font-size="13">',
            "<title>The steps of the job, what flows between them, and its shuffles</title>",
            *(line for index, step in enumerate(flow) for line in _drawn(step, index, flow)),
            "</svg>\n",
        )
    )


def _drawn(step: Step, index: int, flow: list[Step]) -> Iterator[str]:
    top = 10 + index * _STEP
    middle = _LEFT + _WIDTH / 2
    fill = "#e3e8f4" if step.shuffles else "#dcebdd"
    yield (
        f'<rect x="{_LEFT}" y="{top}" width="{_WIDTH}" height="{_HEIGHT}" rx="6" fill="{fill}" '
        'stroke="#556"/>'
    )
    yield f'<text x="{middle}" y="{top + 25}" text-anchor="middle">{escape(step.name)}</text>'
    if index + 1 < len(flow):
        y = top + _HEIGHT
        yield f'<path d="M{middle} {y}v{_STEP - _HEIGHT}m-5-7 5 7 5-7" fill="none" stroke="#556"/>'
        yield f'<text x="{middle + 10}" y="{y + 16}" fill="#556">{escape(step.answer)}</text>'
    contents = "; ".join(f"{label}: {CARRIED[label]}" for label in step.shuffles)
    contents = (
        f"shuffles – {contents}" if contents else "no shuffle: fused, pixels stay in one worker"
    )
    yield f'<text x="{_LEFT + _WIDTH + 30}" y="{top + 25}">{escape(contents)}</text>'


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(draw(steps()), encoding="utf-8")
