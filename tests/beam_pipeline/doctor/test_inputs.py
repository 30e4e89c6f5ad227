from collections.abc import Iterator
from itertools import chain, count
from pathlib import Path
from typing import Any

import pytest

from imagebeam.beam_pipeline.doctor.estimate import Price
from imagebeam.beam_pipeline.doctor.finding import Finding
from imagebeam.beam_pipeline.doctor.inputs import check_inputs, list_images, space_finding
from imagebeam.beam_pipeline.doctor.trial import TrialError
from imagebeam.beam_pipeline.options.label_options import LabelOptions
from imagebeam.beam_pipeline.runners.watchdog import FailureLimit
from imagebeam.images.errors import CODES, BadManifestEntry
from imagebeam.images.listed_image import ImageLocation, ListedImage
from imagebeam.images.listing.sources import image
from imagebeam.outputs.layout import Layout
from imagebeam.outputs.recorded_names import RecordedNames
from tests.beam_pipeline.colours import draw, write_module
from tests.beam_pipeline.jobs import imagebeam


def _found(
    folder: Path, output: Path | None = None, allowed: float = 1.0, **others: Any
) -> Iterator[Finding]:
    module = write_module(folder / "module.tflite")
    options = LabelOptions(
        inputs=(str(folder / "in"),),
        output=Path(),
        module=str(module),
        decode_processes=1,
        max_failure_rate=FailureLimit(allowed),
        **others,
    )
    return check_inputs(options, 100, 60.0, Price(cores=1), output)


def test_a_sample_is_decoded_and_labelled(tmp_path: Path) -> None:
    for index in range(40):
        draw(tmp_path / "in" / f"{index:02d}.png", 255, 0, 0)
    (tmp_path / "in" / "empty.png").touch()
    (tmp_path / "in" / "text.png").write_text("text")
    listing, sample, estimate = _found(tmp_path)
    assert listing.facts["images"] == 42
    assert sample.facts["failed"] == {"empty_file": 1, "unsupported_format": 1}
    assert sample.facts["failure_rate"] == 2 / 42
    assert sample.state.value == "warning"
    assert sample.message.startswith("2 of 42 sampled images failed (95 % interval 1.3%")
    assert (
        "1 empty_file, 1 unsupported_format. empty_file: The file has no bytes." in sample.message
    )
    assert estimate.facts["images"] == 42
    assert estimate.facts["core_seconds"] > 0


def test_too_many_failures_are_a_problem(tmp_path: Path) -> None:
    draw(tmp_path / "in" / "red.png", 255, 0, 0)
    (tmp_path / "in" / "empty.png").touch()
    _, sample, _ = _found(tmp_path, allowed=0.4)
    assert sample.state.value == "failure"
    assert (
        "So many failures would end the job with exit code 1: see --max-failure-rate."
        in sample.message
    )


def test_a_sample_without_a_decodable_image_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "empty.png").touch()
    _, sample = _found(tmp_path)
    assert sample.state.value == "failure"


def test_a_sample_is_drawn_from_all_listed_images() -> None:
    listing = list_images(map(image, map(str, range(10_000))), 100, 60.0)
    chosen = [int(each.uri) for each in listing.chosen]
    assert (listing.images, listing.complete, len(set(chosen))) == (10_000, True, 100)
    assert chosen == sorted(chosen)
    # The probability that a hundred random draws have this number or fewer in one half is 1e-9.
    assert min(sum(each < 5000 for each in chosen), sum(each >= 5000 for each in chosen)) > 20


def test_members_that_are_read_in_sequence_are_the_first_ones_of_their_container() -> None:
    members = [
        ListedImage(f"{number}", ImageLocation("a.tar.gz", kind="TAR_GZIP"))
        for number in range(1000)
    ]
    listing = list_images(chain(members, map(image, map(str, range(1000, 2000)))), 100, 60.0)
    chosen = [int(each.uri) for each in listing.chosen]
    streamed = [each for each in chosen if each < 1000]
    assert (len(chosen), chosen) == (100, sorted(chosen))
    assert streamed == list(range(len(streamed)))
    # Of a hundred random draws, this number or fewer in one half has a probability of 1e-9.
    assert 20 < len(streamed) < 80


def test_listing_ends_at_its_time_limit() -> None:
    listing = list_images(map(image, map(str, count())), 3, 0.05)
    assert not listing.complete
    assert len(listing.chosen) == 3
    assert listing.count == f"more than {listing.images:,} images"


def test_names_that_cannot_be_resolved_are_counted() -> None:
    def found() -> Iterator[ListedImage]:
        yield image("a.jpg")
        yield ListedImage("list.txt#2", BadManifestEntry("no uri"))

    listing = list_images(found(), 3, 60.0)
    assert (listing.images, dict(listing.problems)) == (1, {"bad_entry": 1})


def test_images_with_a_row_in_the_output_are_not_counted(tmp_path: Path) -> None:
    names = ["broken.png", "empty.png", "red.png"]
    draw(tmp_path / "in" / "red.png", 255, 0, 0)
    (tmp_path / "in" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (tmp_path / "in" / "empty.png").touch()
    output = tmp_path / "out"
    module = write_module(tmp_path / "module.tflite")
    assert imagebeam("label", tmp_path / "in", "--module", module, "--output", output) == 0
    [found] = _found(tmp_path, output)
    assert (found.facts["images"], found.facts["already_done"]) == (0, 3)
    assert found.message.startswith("0 images to label, and 3 with a row in the output, listed in")
    for number in range(2):
        draw(tmp_path / "in" / f"{number}.png", 0, 0, 255)
    retryable = sum(CODES[code].retryable for code in ("truncated", "empty_file"))
    for options, images in (
        ({}, 2),
        ({"retry_failed": ("truncated",)}, 3),
        ({"retry_failed": ()}, 2 + retryable),
        ({"overwrite": True}, 5),
    ):
        listing, sample, *_ = _found(tmp_path, output, **options)
        assert listing.facts["images"] == sample.facts["images"] == images
        assert listing.facts["already_done"] == 5 - images
    layout = Layout(tmp_path / "out")
    recorded = RecordedNames(layout)
    assert [str(tmp_path / "in" / name) in recorded for name in (*names, "0.png")] == [
        *(True, True, True, False)
    ]
    assert str(tmp_path / "in" / "red.png") not in RecordedNames(layout, seconds=0)


def test_rows_are_compared_with_the_free_space(tmp_path: Path) -> None:
    draw(tmp_path / "in" / "red.png", 255, 0, 0)
    *_, space = _found(tmp_path, tmp_path / "not" / "yet")
    assert (space.about, space.state.value) == ("space", "ok")
    assert 0 < space.facts["needed_bytes"] < space.facts["free_bytes"]


def test_too_little_space_is_a_problem(tmp_path: Path) -> None:
    found = space_finding(10**18, True, tmp_path)
    assert found.state.value == "failure"
    assert found.message.startswith("about 1000000 TB for the rows; ")
    assert found.message.endswith("Free disk space, choose another --output, or emit less.")
    assert space_finding(10**18, False, tmp_path).message.startswith("more than ")


def test_a_sample_job_that_cannot_run_is_a_problem_with_its_reason(tmp_path: Path) -> None:
    draw(tmp_path / "in" / "red.png", 255, 0, 0)
    with pytest.raises(TrialError, match=r"a job of 1 images of the sample failed: .*features"):
        list(_found(tmp_path, emit=("features",)))
