"""Test that one declaration of an option gives arguments, defaults and checks."""

import argparse
import dataclasses
from pathlib import Path

import pytest

from imagebeam.beam_pipeline.cli import command_parser
from imagebeam.beam_pipeline.options.declaration import byte_count, size_text
from imagebeam.beam_pipeline.options.label_options import LabelOptions


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("1", 1),
        ("100000000", 100_000_000),
        ("2GB", 2_000_000_000),
        ("1.5 mb", 1_500_000),
        ("512MiB", 536_870_912),
        ("4kB", 4_000),
    ],
)
def test_a_size_is_parsed(text: str, count: int) -> None:
    assert byte_count(text) == count


@pytest.mark.parametrize("text", ["", "GB", "-1", "2G", "1e9", "2 GB!", "0x10", "nan", "9" * 400])
def test_a_text_that_is_not_a_size_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="is not a size"):
        byte_count(text)


@pytest.mark.parametrize("count", [0, 1, 999, 1000, 1_500_000, 2_000_000_000, 10**13])
def test_a_size_is_shown_in_the_form_that_is_parsed(count: int) -> None:
    assert byte_count(size_text(count)) == count


def _parsed(words: str) -> LabelOptions:
    args, beam_args = command_parser.parse(["label", *words.split()])
    args.beam_args = beam_args
    return LabelOptions.parse(args)


def test_a_command_line_without_options_gives_the_defaults() -> None:
    assert _parsed("photos --output /out") == LabelOptions(("photos",), Path("/out"))


def test_command_line_arguments_become_values() -> None:
    words = (
        "photos -o /out -m module --emit features,labels --top-k 3 --max-image-bytes 2MB "
        "--max-failure-rate 0.5 --overwrite --labels names.txt --keep a b=c --retry-failed"
    )
    assert _parsed(words) == LabelOptions(
        ("photos",),
        Path("/out"),
        module="module",
        emit=("labels", "features"),
        top_k=3,
        max_image_bytes=2_000_000,
        max_failure_rate=dataclasses.replace(LabelOptions.max_failure_rate, share=0.5),
        overwrite=True,
        labels=Path("names.txt"),
        keep={"a": "a", "b": "c"},
        retry_failed=(),
    )
