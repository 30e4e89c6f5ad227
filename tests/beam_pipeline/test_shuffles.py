"""Test the data that crosses the network: names and counts, and never a pixel."""

import pytest

from benchmarks.graph import Step, draw, steps
from tests.beam_pipeline.jobs import ROOT


@pytest.fixture(scope="module")
def flow() -> list[Step]:
    return steps()


def test_the_job_shuffles_where_it_plans_and_where_it_adds_up(flow: list[Step]) -> None:
    assert {step.name: list(step.shuffles) for step in flow} == {
        "ListImages": ["Reshuffle"],
        "SkipDone": ["ReshuffleParts", "JoinDigests", "JoinPages", "AddUpPlan"],
        "PlanShards": ["GroupIntoShards"],
        "DecodeImages": [],
        "RunModule": [],
        "WriteShards": [],
        "Summarise": ["AddUpShards", "CompareFiles", "CountStrayFiles"],
    }


def test_no_shuffle_carries_pixels_or_model_outputs(flow: list[Step]) -> None:
    carried = [
        kind
        for step in flow
        for label, kind in step.shuffles.items()
        # Digests of names are also bytes.
        if (step.name, label) != ("SkipDone", "JoinDigests")
    ]
    for heavy in ("Shard", "ndarray", "ModelOutputs", "bytes"):
        assert [kind for kind in carried if heavy in kind] == []
    # Pictures are held between fused steps, so this test would find them in a shuffle.
    assert [step.answer for step in flow if "Shard" in step.answer] == [
        *("Shard", "HeldShard", "ScoredShard", "ShardReport")
    ]


def test_the_picture_in_the_docs_shows_this_graph(flow: list[Step]) -> None:
    assert (ROOT / "docs" / "assets" / "graph.svg").read_text(encoding="utf-8") == draw(flow)
