import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from imagebeam.evaluation.accuracy import CorrectCounts
from imagebeam.evaluation.labelled_images import LabelledImage
from imagebeam.images.errors import InputError
from imagebeam.report.accuracy import Accuracy, ScoreBin
from imagebeam.report.truth import TruthRows
from tests.beam_pipeline.jobs import imagebeam
from tests.outputs.outputs import CLASSES, named

NAMES = ("tench, Tinca tinca", "crane", "crane, bird", "cat")


def row(uri: str, *best: tuple[int, float]) -> dict[str, Any]:
    top = [{"class": place, "label": NAMES[place], "score": score} for place, score in best]
    return {"uri": uri, "label": NAMES[best[0][0]], "score": best[0][1], "top_k": top}


def accuracy(
    truth: dict[str, str], *rows: dict[str, Any], failed: tuple[str, ...] = ()
) -> Accuracy:
    found = TruthRows("truth.csv", [LabelledImage(uri, label) for uri, label in truth.items()])
    found.add(pa.RecordBatch.from_pylist(list(rows)))
    if failed:
        found.add(pa.RecordBatch.from_pylist([{"uri": uri, "code": "x"} for uri in failed]))
    return found.accuracy()


def test_labels_are_compared_by_name_synonym_and_number() -> None:
    found = accuracy(
        {"a": "tench", "b": "Tinca tinca", "c": "0", "d": "cat", "e": "cat", "f": "x", "g": "cat"},
        row("a", (0, 0.95), (3, 0.05)),
        row("b", (3, 0.75), (0, 0.25)),
        row("c", (0, 0.85)),
        row("d", (0, 0.55), (3, 0.45)),
        row("other", (0, 0.5)),
        failed=("e",),
    )
    assert found.all == CorrectCounts(4, 2, 4)
    assert found.classes == [
        ("Tinca tinca", CorrectCounts(1, 0, 1)),
        ("cat", CorrectCounts(1, 0, 1)),
        ("0", CorrectCounts(1, 1, 1)),
        ("tench", CorrectCounts(1, 1, 1)),
    ]
    assert (found.failed, found.missing, found.unknown) == (1, 2, [])
    assert [(each.truth, each.label, each.images) for each in found.confusions] == [
        ("Tinca tinca", "cat", 1),
        ("cat", "tench, Tinca tinca", 1),
    ]
    low, high = found.all.interval
    assert 0.15 < low < 0.5 < high < 0.85


@pytest.mark.parametrize("uri", ["file:///x/a.jpg", "pics/a.jpg"])
def test_an_output_may_hold_names_as_they_were_written(uri: str) -> None:
    found = TruthRows("truth.csv", [LabelledImage("file:///x/a.jpg", "cat", "pics/a.jpg")])
    found.add(pa.RecordBatch.from_pylist([row(uri, (3, 0.5))]))
    assert (found.accuracy().all, found.accuracy().missing) == (CorrectCounts(1, 1, 1), 0)


def test_scores_are_compared_with_correctness_by_bin() -> None:
    rows = [row(f"{place}", (place % 2, 0.65625)) for place in range(4)]
    found = accuracy(dict.fromkeys("0123", "tench"), *rows, row("4", (0, 1.0)))
    assert found.bins == [None] * 6 + [ScoreBin(4, 0.65625, 0.5)] + [None] * 3
    assert found.gap == 0.15625
    odd = accuracy({"a": "cat"}, row("a", (3, float("nan"))))
    assert odd.bins[0] == ScoreBin(1, 0.0, 1.0)


def test_confusions_show_the_most_confident_pictures() -> None:
    rows = [row(f"{place:02}", (3, place / 100)) for place in range(20)]
    [confusion] = accuracy({each["uri"]: "tench" for each in rows}, *rows).confusions
    assert (confusion.images, [each["uri"] for each in confusion.pictures]) == (
        20,
        ["19", "18", "17", "16", "15", "14"],
    )


def test_a_label_that_no_class_has_is_named() -> None:
    found = accuracy({"a": "tiger", "b": "cat"}, row("a", (3, 0.5)), row("b", (3, 0.5)))
    assert (found.unknown, found.all.top_1) == (["tiger"], 1)


def test_a_label_of_several_classes_is_refused() -> None:
    rows = row("a", (1, 0.5), (2, 0.25)), row("b", (2, 0.5))
    # A whole name is not a synonym of another class.
    assert accuracy({"a": "crane"}, *rows).all.top_1 == 1
    robin = {"class": 8, "label": "robin, bird", "score": 0.1}
    both = row("a", (2, 0.5))
    both["top_k"].append(robin)
    with pytest.raises(InputError, match="is a name of several classes: crane, bird; robin"):
        accuracy({"a": "bird"}, both)


def test_an_output_without_labels_cannot_be_compared() -> None:
    found = TruthRows("truth.csv", [LabelledImage("a", "cat")])
    with pytest.raises(InputError, match="the output has no labels"):
        found.add(pa.RecordBatch.from_pylist([{"uri": "a", "width": 1}]))


def test_names_that_match_nothing_are_refused_with_the_nearest() -> None:
    message = (
        "'truth.csv': none of its 1 names is in the output, such as '/a/x.jpg'. The most similar "
        "name there is '/b/x.jpg'. Name the images as the output does."
    )
    with pytest.raises(InputError) as caught:
        accuracy({"/a/x.jpg": "cat"}, row("/a/y.jpg", (0, 0.5)), row("/b/x.jpg", (0, 0.5)))
    assert str(caught.value) == message
    with pytest.raises(InputError, match="most similar name there is '/a/y"):
        accuracy({"/a/x.jpg": "cat"}, row("/zzz/0", (0, 0.5)), row("/a/y.jpg", (0, 0.5)))
    with pytest.raises(InputError, match="all 1 of its images failed"):
        accuracy({"a": "cat"}, row("b", (0, 0.5)), failed=("a",))


def test_the_page_shows_the_accuracy(tmp_path: Path) -> None:
    layout = named(tmp_path / "out", {"/a/1.jpg": 0, "/a/2.jpg": 1, "/a/3.jpg": 1})
    truth = tmp_path / "truth.csv"
    truth.write_text("uri,label\n/a/1.jpg,tabby\n/a/2.jpg,tabby\n/a/3.jpg,tiger\n/a/4.jpg,tiger\n")
    assert imagebeam("report", layout.root, "--truth", truth) == 0
    text = layout.report.read_text()
    assert "<strong>66.7 % of 3 labels are correct</strong>" in text
    assert "0 failed and 1 are not in the output" in text
    assert "<bdi>tabby</bdi> labelled as <bdi>tiger</bdi>: 1" in text


def test_folders_of_classes_are_truth(tmp_path: Path) -> None:
    images = {}
    for place, label in enumerate(("tabby", "tiger")):
        path = tmp_path / "in" / label / f"{place}.jpg"
        path.parent.mkdir(parents=True)
        path.write_bytes(b"\xff\xd8\xff")
        images[str(path)] = 1
    layout = named(tmp_path / "out", images)
    assert imagebeam("report", layout.root, "--truth", tmp_path / "in") == 0
    assert "<strong>50.0 % of 2 labels are correct</strong>" in layout.report.read_text()
    assert CLASSES[1] == "tiger"


def test_a_truth_that_cannot_be_used_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    layout = named(tmp_path / "out", {"/a/1.jpg": 0})
    (tmp_path / "other.csv").write_text("uri,label\n/b/1.jpg,tabby\n")
    (tmp_path / "columns.csv").write_text("file,class\n")
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "twice.csv").write_text("uri,label\n/a/1.jpg,tabby\n/a/1.jpg,tiger\n")
    for name, message in (
        ("no.csv", "No such file"),
        ("pipe.csv", "pipe, not a regular file"),
        ("columns.csv", "no column `uri`; it has 'file', 'class'."),
        ("twice.csv", "'/a/1.jpg' has the labels 'tabby' and 'tiger'. Keep one of them."),
        ("other.csv", "The most similar name there is '/a/1.jpg'"),
    ):
        assert imagebeam("report", layout.root, "--truth", tmp_path / name) == 2
        assert message in capsys.readouterr().err
    assert not layout.report.exists()
