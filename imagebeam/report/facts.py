"""What a page says of a job besides its rows: how it stands, what made it, what it cost."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from imagebeam.report.contents import Contents


@dataclass(frozen=True)
class Fact:
    """One line of the provenance."""

    name: str
    value: str


@dataclass(frozen=True)
class OutputState:
    """How an output stands; `kind` chooses the colour."""

    word: str
    kind: str


@dataclass(frozen=True)
class StageCost:
    """What one stage cost.

    Attributes:
        name: of the stage.
        wall: seconds, added up over threads and processes.
        cpu: likewise.
        share: of the wall seconds of the stage that took most.
        cpu_an_image: seconds; None where the run did no image.
    """

    name: str
    wall: float
    cpu: float
    share: float
    cpu_an_image: float | None


def state(contents: Contents) -> OutputState:
    """How the output stands, in a word or two."""
    if contents.findings:
        return OutputState("damaged", "bad")
    if contents.summary is not None:
        return OutputState("complete", "good")
    return OutputState("running" if contents.is_running else "not complete", "open")


def notes(contents: Contents) -> list[str]:
    """What a reader must know to read the page right."""
    said = []
    if contents.is_running:
        said.append(
            "A run is at work on this output, here or on a cluster: the page shows what there was "
            "when it was made."
        )
    elif contents.summary is None:
        said.append(
            "The job is not complete: it was stopped, or broke. Run its command again: it does "
            "what is missing."
        )
    if not contents.labelled and not contents.failed:
        said.append("The output holds no rows.")
    elif "labels" not in contents.identity["emit"]:
        emitted = " and ".join(contents.identity["emit"])
        said.append(
            f"The job wrote {emitted} and no labels, so there are no classes and no scores to "
            "show. A job with --emit labels has them."
        )
    return said


def stages(contents: Contents) -> list[StageCost]:
    """What the latest run's stages cost, in the order of the flow."""
    summary = contents.summary or {}
    costs: Mapping[str, Mapping[str, float]] = summary.get("stages") or {}
    most = max((cost["wall_seconds"] for cost in costs.values()), default=0.0)
    done = (summary["labelled"] + summary["failed"]) if costs else 0
    return [
        StageCost(
            name,
            cost["wall_seconds"],
            cost["cpu_seconds"],
            cost["wall_seconds"] / most if most else 0.0,
            cost["cpu_seconds"] / done if done else None,
        )
        for name, cost in costs.items()
    ]


def provenance(contents: Contents) -> list[Fact]:
    """What made the rows: module, engine, preprocessing, options, versions."""
    made = contents.provenance
    preprocessing: Mapping[str, Any] = made.get("preprocessing", made)
    height, width = preprocessing["image_size"]
    facts = {
        "module": made["module"],
        "module digest": made["module_digest"],
        "engine": made["engine"],
        "input": f"{width} × {height} pixels, --resize {made['resize']}",
        "largest image": _limits(preprocessing),
        "rows": f"--emit {','.join(made['emit'])} --format {made['format']}",
        "classes in top_k": made.get("top_k"),
        "vectors": _pairs(made.get("vector_lengths")),
        "versions": _pairs(made.get("versions")),
    }
    return [Fact(name, str(value)) for name, value in facts.items() if value]


def _limits(preprocessing: Mapping[str, Any]) -> str:
    if "max_image_bytes" not in preprocessing:
        return ""
    return (
        f"{preprocessing['max_image_bytes']:,} bytes, {preprocessing['max_image_pixels']:,} pixels"
    )


def _pairs(values: Mapping[str, Any] | None) -> str:
    return ", ".join(f"{name} {value}" for name, value in (values or {}).items() if value)
