"""Test the first half of a job: everything is checked, and nothing is written."""

from pathlib import Path

import pytest

from imagebeam.beam_pipeline import job
from imagebeam.beam_pipeline.options.label_options import LabelOptions
from imagebeam.errors import ImagebeamError
from tests.beam_pipeline.jobs import archive


def test_planning_does_not_touch_the_output(tmp_path: Path) -> None:
    archive(tmp_path / "in", 3)
    out = tmp_path / "out"
    options = LabelOptions((str(tmp_path / "in"),), out, images_per_shard=7)
    prepared = job.plan(options)
    assert not out.exists()
    planned = prepared.job
    assert [source.names for source in planned.sources] == [(str(tmp_path / "in"),)]
    assert planned.layout.root == out
    assert planned.images_per_shard == 7
    assert planned.preprocessing.size == prepared.module.info.image_size
    assert str(planned.module.path).startswith(f"{out}/")
    assert planned.schema.emit == ("labels",)
    assert prepared.identity["module_digest"] == prepared.module.digest


def test_a_limit_is_shared_by_the_sources_in_their_order(tmp_path: Path) -> None:
    archive(tmp_path / "a", 3)
    archive(tmp_path / "b", 3)
    names = (str(tmp_path / "a"), str(tmp_path / "b"))
    planned = job.plan(LabelOptions(names, tmp_path / "out", limit=4)).job
    assert [source.limit for source in planned.sources] == [3, 1]


def test_standard_input_is_listed_from_its_copy_in_the_output(tmp_path: Path) -> None:
    [image] = archive(tmp_path / "in", 1)
    copy = tmp_path / "copy.txt"
    copy.write_text(f"{image}\n")
    out = tmp_path / "out"
    planned = job.plan(LabelOptions(("-", image), out), copy).job
    assert [source.names for source in planned.sources] == [
        (str(planned.layout.stdin),),
        (image,),
    ]
    assert not out.exists()


@pytest.mark.parametrize(
    "change",
    [
        {"inputs": ("nowhere",)},
        {"module": "nowhere"},
        {"labels": Path("nowhere.txt")},
        {"beam_args": ("--runner=FlinkRunner", "--flink_master=localhost:1")},
        {"beam_args": ("--unknown",)},
        {"detach": True},
    ],
)
def test_a_refused_plan_leaves_no_output(tmp_path: Path, change: dict[str, object]) -> None:
    archive(tmp_path / "in", 1)
    values = {"inputs": (str(tmp_path / "in"),), "output": tmp_path / "out", **change}
    with pytest.raises(ImagebeamError):
        job.plan(LabelOptions(**values))  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()
