"""Test stores that respond and stores that do not, with real servers on loopback."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from imagebeam.beam_pipeline.doctor.estimate import Price
from imagebeam.beam_pipeline.doctor.finding import Finding
from imagebeam.beam_pipeline.doctor.inputs import check_inputs
from imagebeam.beam_pipeline.doctor.storage import check_storage, roots_of
from imagebeam.beam_pipeline.options.label_options import LabelOptions
from imagebeam.storage import Settings, store_for
from tests.beam_pipeline.colours import draw, write_module
from tests.engines.tools import free_port
from tests.storage.conftest import site
from tests.storage.web import Site, whole

__all__ = ["site"]  # a fixture

_HERE = Settings(seconds=5, attempts=1, allow_private_hosts=True)


def _found(name: str, settings: Settings = _HERE) -> Finding:
    [found] = check_storage(roots_of((name,)), settings)
    return found


def test_every_bucket_and_host_is_checked_once() -> None:
    names = (
        *("gs://a/1", "gs://a/2", "gs://b", "photos/", "s3://a/*.jpg"),
        *("https://user:word@host:8443/x?sig=1", "https://host:8443?sig=2"),
    )
    assert roots_of(names) == ("gs://a", "gs://b", "s3://a", "https://host:8443")


def test_an_accessible_bucket_passes(s3_bucket: str) -> None:
    found = _found(f"{s3_bucket}/folder/")
    assert found.state.value == "ok"
    assert found.facts["root"] == s3_bucket
    assert found.message == f"{s3_bucket} answers in {found.facts['seconds'] * 1000:,.0f} ms"


def test_a_missing_bucket_is_a_problem(s3_bucket: str) -> None:
    found = _found("s3://no-such-bucket-of-ours/x")
    assert found.state.value == "failure"
    assert found.message.startswith("s3://no-such-bucket-of-ours: ")
    assert found.message.endswith("and the credentials of this machine.")


def test_a_host_that_responds_with_404_passes(site: Site) -> None:
    assert _found(site.url("/gone.jpg")).state.value == "ok"


@pytest.mark.parametrize("settings", [Settings(seconds=5, attempts=1), _HERE])
def test_an_unreachable_host_is_a_problem(settings: Settings) -> None:
    found = _found(f"http://127.0.0.1:{free_port()}/a.jpg", settings)
    assert found.state.value == "failure"


def _inputs(folder: Path, *names: str) -> Iterator[Finding]:
    options = LabelOptions(
        inputs=names,
        output=Path(),
        module=str(write_module(folder / "module.tflite")),
        decode_processes=1,
        allow_private_hosts=True,
    )
    return check_inputs(options, 100, 60.0, Price(cores=1))


def test_objects_of_a_bucket_are_sampled(tmp_path: Path, s3_bucket: str) -> None:
    content = draw(tmp_path / "red.png", 255, 0, 0).read_bytes()
    for index in range(3):
        name = f"{s3_bucket}/pictures/{index}.png"
        store_for(name).write(name, content)
    listing, sample, estimate = _inputs(tmp_path, f"{s3_bucket}/pictures/")
    assert (listing.facts["images"], listing.facts["bytes"]) == (3, 3 * len(content))
    assert (sample.facts["images"], sample.facts["failed"]) == (3, {})
    assert estimate.facts["waiting_seconds_per_image"] > 0


def test_a_signed_url_is_shown_without_its_signature(tmp_path: Path, site: Site) -> None:
    secret = "c4n4ry"
    signed = f"/red.png?X-Amz-Signature={secret}"
    address = site.add(signed, whole(draw(tmp_path / "red.png", 255, 0, 0).read_bytes()))
    gone = site.url(f"/gone.png?sig={secret}").replace("//", f"//user:{secret}@", 1)
    found = list(_inputs(tmp_path, address, gone))
    assert found[1].facts["failed"] == {"not_found": 1}
    assert secret not in str([each.to_json() for each in found])
