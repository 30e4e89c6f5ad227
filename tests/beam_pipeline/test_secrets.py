"""Test that no secret of an address leaves the process by any way."""

import io
import json
import os
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagebeam.beam_pipeline.cli.main import run
from tests.beam_pipeline.jobs import COMMAND, ROOT, archive, errors, imagebeam, predictions
from tests.storage.web import Site, raw, redirect, status, stored

_CANARY = "c4n4rySECRET"
_PRIVATE = "--allow-private-hosts"

_SECRETS = [
    *(
        "apikey={}",
        "code={}",
        "k={}",
        "%61pi%4Bey={}",
        "pw={}",
        "w=1&hdnts=x~{}",
        "{}",
        "q={}0123456789ab",
        "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature={}",
        "x-goog-signature={}&x-goog-date=1",
        "sv=2024&sp=r&sig={}%3D",
        "Expires=9&Policy=x&Key-Pair-Id=y&Signature={}",
        "access%5Ftoken={}",
        "TOKEN={}",
        "a=1;auth={}",
        "a%5Bsecret%5D={}",
        "next=https%3A%2F%2Fx.org%2F%3Fkey%3D{}",
        "jwt={}.{}.{}",
        "__gda__=exp=1~hmac={}",
        "%252561pikey={}",
        "tok%00en={}",
        "w=1;key={}",
        "a=1%26key%3D{}",
        "={}",
        "x='&key={}",
        "url=https://user:{}@b.org/",
        "security-token={}",
        "q-ak={}",
    ),
]


@pytest.fixture
def web() -> Iterator[Site]:
    """Run a web server on this machine."""
    with Site().running() as site:
        yield site


def _shown(*words: object) -> str:
    done = subprocess.run(
        [*COMMAND, *map(str, words)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr


def _files(folder: Path) -> list[str]:
    return [
        path.read_bytes().decode(errors="replace") for path in folder.rglob("*") if path.is_file()
    ]


def test_neither_rows_nor_files_nor_reports_hold_a_secret(
    tmp_path: Path, web: Site, capfd: pytest.CaptureFixture[str]
) -> None:
    picture = Path(archive(tmp_path / "loose", 1)[0]).read_bytes()
    entries = []
    for number, secret in enumerate(_SECRETS):
        query = secret.replace("{}", _CANARY)
        entries.append(web.add(f"/good-{number}.jpg?{query}", stored(picture)))
        entries.append(web.add(f"/denied-{number}.jpg?{query}", status(403)))
    web.add(f"/a.jpg;jsessionid={_CANARY}", stored(picture))
    entries += [
        web.url(f"/a.jpg;jsessionid={_CANARY}"),
        f"http://user:pa/{_CANARY}@127.0.0.1:{web.port}/a.jpg",
        f"s3://KEY:ab/{_CANARY}@bucket/a.jpg",
        f"gs+x://bucket/a.jpg?sig={_CANARY}",
        f"HTTP://{_CANARY}@127.0.0.1:{web.port}/a.jpg",
        f"http://user:{_CANARY}%40x@127.0.0.1:{web.port}/a.jpg",
        f"http:\\\\user:{_CANARY}@127.0.0.1:{web.port}\\a.jpg",
        f"http://user:p@ss/{_CANARY}@127.0.0.1:{web.port}/a.jpg",
        f"http:///user:{_CANARY}@127.0.0.1:{web.port}/a.jpg",
        f"http:user:{_CANARY}@127.0.0.1:{web.port}/a.jpg",
        f"http://127.0.0.1:{_CANARY}/a.jpg",
        f"http://127.0.0.1:{web.port}/token={_CANARY}/a.jpg",
        f"http://user:{_CANARY}@b\u00fccher.example/a.jpg?k={_CANARY}",
        f"s3://bucket/a.jpg?X-Amz-Security-Token={_CANARY}",
        f"gs://bucket/a.jpg?access_token={_CANARY}",
        f"//user:{_CANARY}@127.0.0.1:{web.port}/a.jpg",
        f'"{web.url("/a.jpg")}?sig={_CANARY}',
        f"{web.url('/a.jpg')}#access_token={_CANARY}",
        f"http://[{_CANARY}]:1/a.jpg?sig={_CANARY}",
        web.add("/to.jpg", redirect(f"http://10.0.0.1/a.jpg?sig={_CANARY}")),
        web.add("/of.jpg", redirect(f"ftp://user:{_CANARY}@x.org/a.jpg")),
        web.add("/why.jpg", raw(b"HTTP/1.1 403 token=%s\r\n\r\n" % _CANARY.encode())),
    ]
    (tmp_path / "to").mkdir()
    manifest, out = tmp_path / "list.txt", tmp_path / "out"
    manifest.write_text("\n".join(entries))
    shown = _shown("label", manifest, "--output", out, _PRIVATE, "--read-attempts", 1)
    rows = {row["uri"] for row in (*predictions(out), *errors(out))}
    # Three entries name one file, with different users or fragments.
    assert len(rows) == len(entries) - 2, shown
    assert len(predictions(out)) >= len(_SECRETS) + 1
    texts = [shown, str(predictions(out)), str(errors(out)), *_files(out)]
    again = ("label", manifest, "--output", out, _PRIVATE, "--read-attempts", 1, "--retry-failed")
    to = tmp_path / "to"
    texts += [
        _shown(*again, "--json"),
        _shown(*again, "--debug"),
        _shown("doctor", manifest, "--output", out, _PRIVATE, "--json"),
    ]
    for words in (
        ("status", out),
        ("status", out, "--json"),
        ("verify", out),
        ("report", out),
        ("export", out, "--to", to / "a.csv"),
        ("export", out, "--to", to / "a.jsonl"),
        ("export", out, "--xmp", "--xmp-folder", to / "xmp"),
        ("export", out, "--folders", to / "folders"),
        ("search", out, "a"),
        ("compare", out, out, "--report", to / "compare.html"),
        ("commit", out, "--delta", to / "table"),
        ("compact", out),
    ):
        imagebeam(*words)
        texts += capfd.readouterr()
    texts += [*_files(out), *_files(to), *map(str, to.rglob("*"))]
    assert [text for text in texts if _CANARY in text] == []
    assert (to / "a.csv").exists()
    assert (to / "compare.html").exists()


def test_neither_members_nor_columns_that_are_addresses_show_a_secret(
    tmp_path: Path, web: Site, capfd: pytest.CaptureFixture[str]
) -> None:
    picture = Path(archive(tmp_path / "loose", 1)[0]).read_bytes()
    names = [
        f"https://a.org/b.jpg?sig={_CANARY}",
        f"https://a.org/b.jpg?sig={_CANARY}2",
        f"https:/u:{_CANARY}@a.org/b.jpg",
        f"b.jpg?X-Amz-Signature={_CANARY}",
    ]
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for name in names:
            for data, suffix in ((picture, ""), (b"no picture", ".html")):
                member = tarfile.TarInfo(f"{name}{suffix}")
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
    address = web.add(f"/a.tar?sig={_CANARY}", stored((tmp_path / "a.tar").read_bytes()))
    page = {"url": f"https://u:{_CANARY}@a.org/?key={_CANARY}", "n": 1}
    row = {"uri": web.add(f"/a.jpg?tok%00en={_CANARY}", stored(picture)), "page": page}
    (tmp_path / "a.jsonl").write_text(json.dumps(row))
    out, kept = tmp_path / "out", tmp_path / "kept"
    assert imagebeam("label", address, "-o", out, "-m", "demo", _PRIVATE) == 0
    keep = ("--keep", "page", _PRIVATE)
    assert imagebeam("label", tmp_path / "a.jsonl", "-o", kept, "-m", "demo", *keep) == 0
    assert len({row["uri"] for row in predictions(out)}) == len(names)
    assert predictions(kept)[0]["page"] == {"n": 1, "url": predictions(kept)[0]["page"]["url"]}
    for command in (("status", out, "--json"), ("report", out), ("search", out, "a")):
        assert imagebeam(*command) == 0
    texts = [*capfd.readouterr(), str(predictions(out)), str(predictions(kept)), *_files(out)]
    assert [text for text in texts if _CANARY in text] == []


def test_no_secret_of_standard_input_is_left_in_the_output(tmp_path: Path, web: Site) -> None:
    picture = Path(archive(tmp_path / "loose", 1)[0]).read_bytes()
    name = web.add(f"/a.jpg?token={_CANARY}", stored(picture))
    done = subprocess.run(
        [*COMMAND, "label", "-", "--output", str(tmp_path / "out"), _PRIVATE],
        cwd=ROOT,
        input=name,
        capture_output=True,
        text=True,
        check=False,
    )
    assert len(predictions(tmp_path / "out")) == 1, done.stderr
    assert [text for text in _files(tmp_path / "out") if _CANARY in text] == []


def test_a_whole_query_is_hidden_on_request(tmp_path: Path, web: Site) -> None:
    picture = Path(archive(tmp_path / "loose", 1)[0]).read_bytes()
    names = [web.add(f"/a.jpg?w={width}", stored(picture)) for width in (1, 2)]
    (tmp_path / "list.txt").write_text("\n".join(names))
    shown = {}
    for hide in ("all", "none"):
        out = tmp_path / hide
        text = _shown(
            *("label", tmp_path / "list.txt", "--output", out, _PRIVATE, "--hide-query", hide)
        )
        shown[hide] = {row["uri"] for row in predictions(out)}
        assert len(shown[hide]) == 2, text
    assert shown["none"] == set(names)
    assert not any("w=" in name for name in shown["all"])
    again = _shown("label", tmp_path / "list.txt", "--output", tmp_path / "all", _PRIVATE)
    assert "--hide-query all, now the default" in again


@pytest.mark.parametrize("debug", [[], ["--debug"]])
@pytest.mark.parametrize(
    "words",
    [
        ["label", f"https://user:{_CANARY}@a.org/*.jpg?token={_CANARY}", "-o", "out"],
        ["label", f"ftp://user:{_CANARY}@a.org/a.jpg", "-o", "out"],
        ["label", f"none.jpg?sig={_CANARY}", "-o", "out"],
        ["label", "a.csv", "-o", "out"],
        ["label", "a.csv", "-o", f"s3://KEY:{_CANARY}@/"],
        ["label", "a.csv", "-o", f"https://user:{_CANARY}@a.org/"],
        ["label", "a.jpg", "-o", "out", "--runner=Portable", f"--job_endpoint=u:{_CANARY}@a.org:1"],
        ["label", "a.jpg", "-o", "out", "-m", f"ftp://user:{_CANARY}@a.org/m.tflite"],
        ["label", "a.jpg", "-o", "out", "-m", f"http://127.0.0.1:9/m.tflite?k={_CANARY}"],
        ["module", "show", f"http://127.0.0.1:9/m.tflite?k={_CANARY}"],
        ["module", "annotate", f"http://127.0.0.1:9/m.tflite?k={_CANARY}", "-o", "b.tflite"],
        ["module", "compile", f"http://127.0.0.1:9/m.tar.gz?k={_CANARY}", "-o", "b.tflite"],
        ["module", "evaluate", f"http://127.0.0.1:9/m.tflite?k={_CANARY}", "a.csv"],
        ["module", "try", f"http://u:{_CANARY}@127.0.0.1:9/m.tflite", "a.jpg"],
        *([*words, f"https://user:{_CANARY}@a.org/"] for words in (["status"], ["compact"])),
        ["search", f"https://user:{_CANARY}@a.org/", "a"],
        ["compare", f"https://user:{_CANARY}@a.org/", "out"],
        ["export", f"https://user:{_CANARY}@a.org/", "--to", "b.csv"],
        ["commit", f"https://user:{_CANARY}@a.org/", "--delta", "table"],
    ],
)
def test_no_message_of_wrong_usage_holds_a_secret(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    words: list[str],
    debug: list[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", os.fspath(tmp_path / "cache"))
    # Without a header, the first address is in the place of the column names.
    Path("a.csv").write_text(f"https://a.org/b.jpg?sig={_CANARY},1\n" * 2)
    Path("a.jpg").write_bytes(b"")
    assert run([*words, *debug]) == 2
    out, err = capfd.readouterr()
    assert _CANARY not in out + err
    assert err


def test_a_secret_header_reaches_its_server_and_nothing_else(
    tmp_path: Path, web: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = Path(archive(tmp_path / "loose", 1)[0]).read_bytes()
    (tmp_path / "list.txt").write_text(web.add("/a.jpg", stored(picture)))
    monkeypatch.setenv("A_TOKEN", _CANARY)
    shown = _shown(
        *("label", tmp_path / "list.txt", "--output", tmp_path / "out", _PRIVATE),
        *("--header", "127.0.0.1 X-Token: $A_TOKEN", "Accept-Language: de"),
        *("--user-agent", "me (me@example.com)"),
    )
    assert len(predictions(tmp_path / "out")) == 1, shown
    sent = [headers for _, path, headers in web.requests if path == "/a.jpg"]
    assert {headers["X-Token"] for headers in sent} == {_CANARY}
    assert {headers["Accept-Language"] for headers in sent} == {"de"}
    assert {headers["User-Agent"] for headers in sent} == {"me (me@example.com)"}
    assert [text for text in [shown, *_files(tmp_path / "out")] if _CANARY in text] == []


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--header", f"Authorization: Bearer {_CANARY}"], "visible in the process list"),
        (["--header", f"a.org Cookie: {_CANARY}"], "visible in the process list"),
        (["--header", f"{_CANARY}"], "not of the form"),
        (["--header", "Authorization: $NONE_OF_THAT_NAME"], "needs the host"),
        (["--header", "a.org Authorization: $NONE_OF_THAT_NAME"], "missing or malformed"),
        (["--header", "a.org Authorization: @/none/of/that/name"], "missing or malformed"),
        (["--header", "a.org Authorization: @/dev/zero"], "missing or malformed"),
        (["--user-agent", "a\nb"], "outside ASCII"),
    ],
)
def test_a_header_that_cannot_be_sent_is_wrong_usage(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], words: list[str], reason: str
) -> None:
    assert run(["label", "a.jpg", "--output", str(tmp_path / "out"), *words]) == 2
    out, err = capfd.readouterr()
    assert reason in err
    assert _CANARY not in out + err
