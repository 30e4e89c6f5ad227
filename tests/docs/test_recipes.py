"""Run the commands and snippets of the recipes and guides, on disks and buckets that stand in."""

import csv
import shutil
import tarfile
import zipfile
from pathlib import Path

import boto3
import pytest
import requests

from imagebeam.samples import ARCHIVE, TRUTH
from imagebeam.storage import location
from tests.docs.pages import run_page, run_python

pytestmark = pytest.mark.slow


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_nas_recipe_runs(here: Path) -> None:
    shutil.copytree(ARCHIVE, here / "nas" / "photos")
    run_page("recipes/nas.md", here, {"/mnt/nas": str(here / "nas")})
    assert list((here / "nas").rglob("*.xmp")) != []


def test_the_zip_recipe_runs(here: Path) -> None:
    with TRUTH.open(newline="") as table:
        truth = {name: label for name, label in csv.reader(table) if "kitchen" in name}
    with zipfile.ZipFile("archive.zip", "w") as archive:
        for name in truth:
            archive.write(TRUTH.parent / name, name)
    with open("train.csv", "w", newline="") as table:
        csv.writer(table).writerows([("file", "label"), *truth.items()])
    run_page("recipes/zip.md", here)
    confusion = run_python("recipes/zip.md")["confusion"]
    assert sum(images for _, _, images in confusion) == len(truth)
    correct = sum(images for true, found, images in confusion if true == found)
    assert correct > 0.9 * len(truth)


@pytest.fixture
def buckets(gcs_bucket: str, s3_bucket: str, gcs_server: str, s3_server: str) -> None:
    """Make the buckets of the pages in both stores."""
    s3 = boto3.client("s3", "us-east-1", endpoint_url=s3_server)
    for name in ("my-photos", "my-labels", "archive", "bucket"):
        address = f"{gcs_server}/storage/v1/b"
        made = requests.post(address, json={"name": name}, timeout=60)
        # The server keeps the buckets of an earlier test.
        assert made.status_code in (200, 409)
        s3.create_bucket(Bucket=name)


@pytest.mark.usefixtures("buckets")
def test_the_bucket_recipe_runs(here: Path) -> None:
    for path in (ARCHIVE / "kitchen").glob("*.jpg"):
        for scheme in ("gs", "s3"):
            location(f"{scheme}://my-photos/2024/{path.name}").write_bytes(path.read_bytes())
    run_page("recipes/bucket.md", here)
    assert (here / "report.html").is_file()


def test_the_data_lake_recipe_runs(here: Path) -> None:
    shutil.copytree(ARCHIVE / "kitchen", here / "photos")
    run_page("label.md", here)
    run_page("recipes/lake.md", here)
    counts = run_python("recipes/lake.md")["counts"]
    assert counts[0][1] >= counts[-1][1] >= 1


def test_the_tutorial_runs(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(ARCHIVE / "kitchen", here / "photos")
    run_page("tutorial.md", here)
    run_python("tutorial.md")
    assert capsys.readouterr().out.count("snowman") == 3


@pytest.mark.usefixtures("buckets")
def test_the_commands_of_the_inputs_and_buckets_pages_run(here: Path) -> None:
    pictures = sorted((ARCHIVE / "kitchen").glob("*.jpg"))
    with tarfile.open("shard.tar", "w") as shard, zipfile.ZipFile("photos.zip", "w") as photos:
        for path in pictures[:10]:
            shard.add(path, path.name)
            photos.write(path, path.name)
    location("gs://archive/shards/0.tar").write_bytes(Path("shard.tar").read_bytes())
    for path in pictures[10:]:
        for folder in ("2024", "photos"):
            location(f"s3://bucket/{folder}/{path.name}").write_bytes(path.read_bytes())
    rows = [(str(path), index, "a picture") for index, path in enumerate(pictures)]
    with open("list.csv", "w", newline="") as table:
        csv.writer(table).writerows([("uri", "id", "label"), *rows])
    # The inputs that the pages read from the web are on the disk here.
    Path("urls.txt").write_text("\n".join(map(str, pictures[:3])))
    replaced = {"https://example.org/list.csv": "list.csv"}
    run_page("inputs.md", here, replaced, {"TOKEN": "Bearer secret"})
    run_page("buckets.md", here)
