"""Test that a flaw of a decompressor costs a job one archive, manifest or member only."""

import gzip
import random
from collections.abc import Mapping
from pathlib import Path

import pytest

from imagebeam.outputs.verify import verify
from tests.beam_pipeline.jobs import archive, errors, predictions
from tests.faults.jobs import Job
from tests.images.containers.archives import tar, zipped

_CRASH = "the process that decompresses ended with signal Segmentation fault"


def _files(picture: bytes) -> Mapping[str, bytes]:
    """Return containers whose third member has a fault, a manifest with one, and a good tar."""
    mark = b"fault in zlib: crash"
    bad = random.Random(7).randbytes(400_000) + mark
    members = {"a.jpg": picture, "b.jpg": picture, "c.jpg": bad, "d.jpg": picture}
    packed = gzip.compress(tar(members))
    return {
        "crash.tar.gz": packed,
        "crash.tar": tar({"n.zip": zipped(members), "n.tgz": packed}),
        "good.tar.gz": gzip.compress(tar({"a.jpg": picture})),
        "crash.txt.gz": gzip.compress(b"even/0000.jpg\n" + b"\n" * 400_000 + mark),
    }


@pytest.mark.slow
def test_a_fault_of_a_decompressor_costs_an_archive_a_member_or_a_manifest(tmp_path: Path) -> None:
    [loose] = archive(tmp_path, 1)
    files = _files(Path(loose).read_bytes())
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    output = tmp_path / "out"
    command = (*(tmp_path / name for name in files), "--output", output, "--module", "demo")
    code, stderr = Job(*command).finish()
    assert code == 0, stderr

    def short(uri: str) -> str:
        return uri.removeprefix(f"{tmp_path}/")

    good = ["crash.tar!/n.tgz!/a.jpg", "crash.tar!/n.tgz!/b.jpg"]
    good += [f"crash.tar!/n.zip!/{each}.jpg" for each in "abd"]
    good += ["crash.tar.gz!/a.jpg", "crash.tar.gz!/b.jpg", "even/0000.jpg", "good.tar.gz!/a.jpg"]
    assert [short(row["uri"]) for row in predictions(output)] == good

    def codes() -> dict[str, str]:
        return {short(row["uri"]): row["code"] for row in errors(output)}

    assert codes() == {
        "crash.tar!/n.tgz": "bad_member",
        "crash.tar!/n.tgz!/c.jpg": "bad_member",
        "crash.tar!/n.zip!/c.jpg": "decode_crash",
        "crash.tar.gz": "archive_damaged",
        "crash.tar.gz!/c.jpg": "bad_member",
        "crash.txt.gz": "listing_failed",
    }
    assert [_CRASH in row["message"] for row in errors(output)].count(True) == 5
    assert verify(output) == []
    # Where zlib has no flaw, the next run labels the rest.
    failed = sorted({*codes().values()})
    assert Job(*command, "--retry-failed", *failed, plugin=tmp_path).finish()[0] == 0
    good += ["crash.tar!/n.tgz!/d.jpg", "crash.tar.gz!/d.jpg"]
    assert [short(row["uri"]) for row in predictions(output)] == sorted(good)
    assert codes() == {
        "crash.tar!/n.tgz!/c.jpg": "unsupported_format",
        "crash.tar!/n.zip!/c.jpg": "unsupported_format",
        "crash.tar.gz!/c.jpg": "unsupported_format",
        "fault in zlib: crash": "not_found",
    }
