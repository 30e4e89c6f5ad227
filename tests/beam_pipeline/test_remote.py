"""Test jobs on images on the web and in buckets."""

import hashlib
import io
import json
import os
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import apache_beam as beam
import pytest

from imagebeam.beam_pipeline.pipeline import build
from imagebeam.images.listing import inputs
from imagebeam.outputs.verify import verify
from imagebeam.storage import store_for
from tests.beam_pipeline.jobs import COMMAND, ROOT, archive, errors, imagebeam, predictions
from tests.beam_pipeline.sample_job import sample_job
from tests.storage.web import Site, redirect, status, stored, whole

_CANARY = "Canary7secret"
_HERE = "--allow-private-hosts"
_FEATURES = ("--emit", "features")


@pytest.fixture
def web() -> Iterator[Site]:
    """Run a web server on this machine, whose address is private."""
    with Site().running() as site:
        yield site


@pytest.fixture
def pictures(tmp_path: Path) -> dict[str, bytes]:
    """Return drawn pictures by name."""
    return {Path(name).name: Path(name).read_bytes() for name in archive(tmp_path / "loose", 6)}


def tarred(pictures: dict[str, bytes], mode: str = "w") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as made:  # type: ignore[call-overload]
        for name, data in pictures.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            made.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def features(output: Path) -> dict[str, list[float]]:
    """Return the features of each image, by the last part of its name."""
    return {row["uri"].rpartition("/")[2]: row["features"] for row in predictions(output)}


def test_no_secret_of_a_url_or_of_the_environment_is_written(
    tmp_path: Path, web: Site, pictures: dict[str, bytes]
) -> None:
    data = next(iter(pictures.values()))
    secrets = (f"X-Amz-Signature={_CANARY}&X-Amz-Credential=a", f"token={_CANARY}", _CANARY * 3)
    entries = []
    for query in secrets:
        web.add(f"/good.jpg?{query}", stored(data))
        web.add(f"/denied.jpg?{query}", status(403))
        web.add(f"/busy.jpg?{query}", status(503))
        web.add(f"/out.jpg?{query}", whole(data, X_Robots_Tag="noai"))
        web.add(f"/loop.jpg?{query}", redirect(f"/loop.jpg?{query}"))
        web.add(f"/away.jpg?{query}", redirect(f"file:///etc/{_CANARY}"))
        names = ("good", "denied", "busy", "out", "loop", "away", "gone")
        entries += [
            f"http://user:{_CANARY}@127.0.0.1:{web.port}/{name}.jpg?{query}" for name in names
        ]
    entries += [f"ftp://user:{_CANARY}@host/a.jpg", f"http://user:{_CANARY}@[::bad/a.jpg"]
    manifest, out = tmp_path / "list.txt", tmp_path / "out"
    manifest.write_text("\n".join(entries))
    job = ("label", manifest, "--output", out, _HERE, "--read-attempts", 2)
    done = subprocess.run(
        [*COMMAND, *map(str, job)],
        cwd=ROOT,
        env=os.environ | {"AWS_SECRET_ACCESS_KEY": _CANARY, "HTTP_PROXY": f"http://{_CANARY}:1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(predictions(out)) == 3
    codes = sorted(row["code"] for row in errors(out))
    once = ["opted_out", "permission_denied", "throttled", "too_many_redirects", "not_found"]
    assert codes == sorted([*3 * [*once, "unsupported_scheme"], *2 * ["unsupported_scheme"]])
    assert verify(out) == []
    texts = [done.stdout, done.stderr, str(predictions(out)), str(errors(out))]
    texts += [
        path.read_bytes().decode(errors="replace") for path in out.rglob("*") if path.is_file()
    ]
    assert [text for text in texts if _CANARY in text] == []
    # Every image has its own name; a signed URL keeps its unsigned name.
    assert f"http://127.0.0.1:{web.port}/good.jpg" in {row["uri"] for row in predictions(out)}


def test_no_secret_of_a_manifest_is_in_the_job_that_is_submitted(tmp_path: Path, web: Site) -> None:
    manifest = tmp_path / "list.txt"
    manifest.write_text(f"http://user:{_CANARY}@127.0.0.1:{web.port}/a.jpg?sig={_CANARY}")
    job = sample_job(tmp_path, inputs.sources([str(manifest)]))
    pipeline = beam.Pipeline()
    build(pipeline, job)
    assert _CANARY.encode() not in pipeline.to_runner_api().SerializeToString()


def test_an_untrusted_manifest_reaches_no_private_host(
    tmp_path: Path, web: Site, pictures: dict[str, bytes]
) -> None:
    web.add("/a.jpg", stored(next(iter(pictures.values()))))
    hosts = ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1")
    manifest, out = tmp_path / "list.txt", tmp_path / "out"
    manifest.write_text("\n".join(f"http://{host}:{web.port}/a.jpg" for host in hosts))
    assert imagebeam("label", manifest, "--output", out) == 1
    assert [row["code"] for row in errors(out)] == ["blocked_address"] * 5
    assert web.connections == 0


def test_urls_have_the_same_rows_as_files(
    tmp_path: Path, web: Site, pictures: dict[str, bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    assert imagebeam("label", tmp_path / "loose", "--output", tmp_path / "a", *_FEATURES) == 0
    expected = features(tmp_path / "a")
    for name, data in pictures.items():
        web.add(f"/in/{name}", redirect(f"/moved/{name}"))
        web.add(f"/moved/{name}", status(503, Retry_After="0"), stored(data, '"1"'))
    lines = "\n".join(json.dumps({"uri": name, "id": at}) for at, name in enumerate(pictures))
    web.add("/in/list.jsonl", stored(lines.encode()))
    web.add("/ranges.tar", stored(tarred(pictures), '"2"'))
    web.add("/no-ranges.tar.gz", whole(tarred(pictures, "w:gz")))
    for number, (name, more) in enumerate(
        [
            ("/in/list.jsonl", ("--keep", "id")),
            ("/ranges.tar", ()),
            ("/no-ranges.tar.gz?X-Amz-Signature=a", ()),
        ]
    ):
        web.add(name, web._answers[name.partition("?")[0]])
        out = tmp_path / str(number)
        assert imagebeam("label", web.url(name), "--output", out, *_FEATURES, _HERE, *more) == 0
        assert features(out) == expected
        assert verify(out) == []
    kept = {row["uri"].rpartition("/")[2]: row["id"] for row in predictions(tmp_path / "0")}
    assert kept == {name: at for at, name in enumerate(pictures)}
    archived = predictions(tmp_path / "2")[0]["uri"]
    assert archived == web.url(f"/no-ranges.tar.gz!/{next(iter(pictures))}")
    assert imagebeam("label", web.url("/gone.tar"), "--output", tmp_path / "x", _HERE) == 2
    assert "gone.tar: it cannot be read: nothing is there" in capsys.readouterr().err


def test_digests_and_final_urls_are_columns_and_equal_bytes_are_counted(
    tmp_path: Path, web: Site, pictures: dict[str, bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    (_, first), (_, second), *_ = pictures.items()
    digest = hashlib.sha256(first).hexdigest()
    web.add("/a.jpg", stored(first))
    web.add("/moved.jpg", redirect(f"/new/a.jpg?token={_CANARY}"))
    web.add(f"/new/a.jpg?token={_CANARY}", stored(first))
    web.add("/b.jpg", stored(second))
    web.add("/away.jpg", redirect("/removed.html"))
    web.add("/removed.html", stored(b"<html>"))
    rows = [("a", digest), ("moved", digest), ("b", digest), ("away", ""), ("gone", digest)]
    manifest, out = tmp_path / "list.csv", tmp_path / "out"
    lines = [f"{web.url(f'/{name}.jpg')},{stated}" for name, stated in rows]
    manifest.write_text("\n".join(["uri,sha", *lines]))
    columns = ("--digest", "sha256", "--final-url", "--emit", "labels")
    job = ("label", manifest, "--output", out, _HERE, "--read-attempts", "1", *columns)
    assert imagebeam(*job, "--check-digest", "sha") == 0
    moved = web.url("/new/a.jpg")
    found = {row["uri"]: (row["sha256"], row["final_url"]) for row in predictions(out)}
    assert found.keys() == {web.url("/a.jpg"), web.url("/moved.jpg")}
    assert found[web.url("/a.jpg")] == (digest, None)
    assert found[web.url("/moved.jpg")][0] == digest
    assert str(found[web.url("/moved.jpg")][1]).startswith(f"{moved}?token=")
    assert _CANARY not in str(found)
    failed = {row["uri"].rpartition("/")[2]: row for row in errors(out)}
    assert {name: row["code"] for name, row in failed.items()} == {
        "b.jpg": "digest_mismatch",
        "list.csv#line=5": "bad_entry",
        "gone.jpg": "not_found",
    }
    other = hashlib.sha256(second).hexdigest()
    assert failed["b.jpg"]["message"] == f"its sha256 is {other}, and the manifest says {digest}"
    # Without the check, in the same output: the rows of both runs are compared.
    assert imagebeam(*job, "--retry-failed", "digest_mismatch", "bad_entry") == 0
    failed = {row["uri"].rpartition("/")[2]: row for row in errors(out)}
    assert failed["away.jpg"]["code"] == "unsupported_format"
    assert failed["away.jpg"]["final_url"] == web.url("/removed.html")
    assert failed["away.jpg"]["sha256"] == hashlib.sha256(b"<html>").hexdigest()
    summary = json.loads((out / "summary.json").read_text())
    assert summary["same_content"] == {
        "images": 2,
        "groups": 1,
        "largest": [{"digest": digest, "images": 2}],
    }
    capsys.readouterr()
    assert imagebeam("report", out) == 0
    page = (out / "report.html").read_text()
    assert "2 images have the same bytes as another image, in 1 group. " in page
    assert digest in page


def test_a_remote_manifest_cannot_name_local_files(
    tmp_path: Path, web: Site, pictures: dict[str, bytes]
) -> None:
    (name, data), *_ = pictures.items()
    web.add("/list.txt", stored(f"/etc/passwd\nfile:///etc/passwd\n{name}\n".encode()))
    web.add(f"/{name}", stored(data))
    out = tmp_path / "out"
    assert imagebeam("label", web.url("/list.txt"), "--output", out, _HERE) == 0
    assert [row["uri"] for row in predictions(out)] == [web.url(f"/{name}")]
    assert [(row["uri"], row["code"]) for row in errors(out)] == [
        (web.url(f"/list.txt#line={line}"), "unsupported_scheme") for line in (1, 2)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("bucket", ["gcs_bucket", "s3_bucket"])
def test_objects_have_the_same_rows_as_files(
    tmp_path: Path,
    pictures: dict[str, bytes],
    bucket: str,
    request: pytest.FixtureRequest,
    capsys: pytest.CaptureFixture[str],
) -> None:
    root = f"{request.getfixturevalue(bucket)}/{tmp_path.name}"
    store = store_for(root)
    assert imagebeam("label", tmp_path / "loose", "--output", tmp_path / "a", *_FEATURES) == 0
    expected = features(tmp_path / "a")
    for name, data in pictures.items():
        store.write(f"{root}/photos/{name}", data)
    store.write(f"{root}/photos/notes.txt", b"no image")
    for name, mode in (("a.tar", "w"), ("b.tar.xz", "w:xz")):
        store.write(f"{root}/{name}", tarred(pictures, mode))
    store.write(f"{root}/list.csv", "\n".join(["uri", *(f"photos/{n}" for n in pictures)]).encode())
    for number, name in enumerate(
        ("photos/", "photos", "*/00*.jpg", "*.tar", "b.tar.xz", "list.csv")
    ):
        out = tmp_path / str(number)
        assert imagebeam("label", f"{root}/{name}", "--output", out, *_FEATURES) == 0
        assert features(out) == expected
        assert verify(out) == []
    capsys.readouterr()
    for name, reason in (
        ("gone/", "the folder holds no image"),
        ("g*.tar", "the glob matches no container"),
    ):
        assert imagebeam("label", f"{root}/{name}", "--output", tmp_path / "x") == 2
        assert reason in capsys.readouterr().err
    scheme = root.partition(":")[0]
    assert imagebeam("label", f"{scheme}://no-such-bucket/a/", "--output", tmp_path / "x") == 2
    assert f"{scheme}://no-such-bucket/a/: " in capsys.readouterr().err
