"""Test tens of thousands of images: every image has a row, and no resource grows with them."""

import os
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from imagebeam.outputs.verify import verify
from tests.beam_pipeline.jobs import archive, errors, parts, predictions
from tests.faults.decoding import bmp
from tests.faults.jobs import Job

_MOST_GROWTH = 300_000_000
"""Bytes: the pixels of one shard per thread, and the reserves of allocators."""


@dataclass
class _Growth:
    """Samples of the resources of a job and its children: bytes of memory, open descriptors."""

    job: Job
    memory: list[int] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)

    def look(self) -> bool:
        # The process has just ended.
        with suppress(psutil.Error):
            family = [psutil.Process(self.job.pid), *self.job.children()]
            self.memory.append(sum(each.memory_info().rss for each in family))
            self.descriptors.append(sum(each.num_fds() for each in family))
        time.sleep(0.05)
        return False


def _linked(folder: Path, originals: Path, count: int) -> Counter[str]:
    """Fill a folder with names for ten files, one of them broken; return the number per code."""
    [rubbish] = originals.glob("rubbish*")
    pictures = sorted(originals.glob("[eo]*/*"))
    folder.mkdir()
    for n in range(count):
        os.link(rubbish if n % 10 == 9 else pictures[n % 10], folder / f"{n:06}.jpg")
    return Counter({"empty_file": count // 10})


@pytest.mark.parametrize("count", [3_000, pytest.param(20_000, marks=pytest.mark.slow)])
def test_every_image_has_a_row_and_no_resource_grows(tmp_path: Path, count: int) -> None:
    archive(tmp_path / "originals", 9, rubbish=1)
    expected = _linked(tmp_path / "in", tmp_path / "originals", count)
    output = tmp_path / "out"
    # The last picture waits until the job has been looked at.
    last = Path(bmp(tmp_path / "last.bmp", 7, "wait"))
    job = Job(tmp_path / "in", last, "--output", output, "--decode-processes", 2)
    growth = _Growth(job)
    job.wait_until(lambda: parts(output) >= 5)
    job.wait_until(lambda: growth.look() or growth.descriptors != [])
    last.with_suffix(".go").touch()
    job.wait_until(growth.look)
    assert job.finish()[0] == 0
    *rows, _ = predictions(output)
    assert [Path(row["uri"]).name for row in rows] == [
        f"{n:06}.jpg" for n in range(count) if n % 10 != 9
    ]
    # Equal files have equal rows in every shard.
    values = {(int(Path(row["uri"]).stem) % 10, row["label"], row["score"]) for row in rows}
    assert len(values) == 9
    assert Counter(row["code"] for row in errors(output)) == expected
    assert verify(output) == []
    assert max(growth.memory) - growth.memory[0] < _MOST_GROWTH
    # Open files change from moment to moment.
    assert max(growth.descriptors) - growth.descriptors[0] < 16
