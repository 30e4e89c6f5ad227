import errno
import pickle
from pathlib import Path

import pytest

from imagebeam.storage import Location, UnwritableName, errors, location, store_for


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("labels", Path("labels")),
        ("/a/b", Path("/a/b")),
        (Path("/a/b"), Path("/a/b")),
        ("file:///a/b%20c", Path("/a/b c")),
        ("gs://bucket/a/", Location("gs://bucket/a")),
        ("S3://bucket", Location("s3://bucket")),
    ],
)
def test_a_name_becomes_a_path_or_a_location(text: str | Path, expected: Path | Location) -> None:
    assert location(text) == expected


@pytest.mark.parametrize("text", ["https://user:secret@host/a", "ftp://host/secret", "x://"])
def test_an_invalid_location_is_refused_without_its_secrets(text: str) -> None:
    with pytest.raises(UnwritableName) as caught:
        location(text)
    scheme = text.partition(":")[0]
    assert str(caught.value) == (
        f"{scheme}://…: cannot be written. Give a local folder, gs://… or s3://…."
    )


@pytest.mark.parametrize("text", ["gs://", "gs:///a"])
def test_a_name_without_a_bucket_is_refused(text: str) -> None:
    with pytest.raises(UnwritableName, match=r"names no bucket\. Give gs://BUCKET/FOLDER"):
        location(text)


def test_a_file_of_another_machine_is_no_relative_path() -> None:
    with pytest.raises(UnwritableName, match=r"^file://nas/out: names a machine, not a file of"):
        location("file://nas/out")


def test_parts_of_names_are_those_of_pathlib() -> None:
    name, model = Location("gs://bucket/a/b.tar.gz"), Path("bucket/a/b.tar.gz")
    assert (name.name, name.stem, name.suffix) == (model.name, model.stem, model.suffix)
    assert str(name.parent) == f"gs://{model.parent}"
    assert str(name.with_name("c") / "d") == f"gs://{model.with_name('c') / 'd'}"
    assert name.absolute() == name
    assert sorted([name, name.parent]) == [name.parent, name]


def test_it_can_be_pickled() -> None:
    name = Location("s3://bucket/a")
    assert pickle.loads(pickle.dumps(name)) == name
    assert {name: 1}[Location("s3://bucket/a/")] == 1


@pytest.fixture(params=["gcs_bucket", "s3_bucket"])
def root(request: pytest.FixtureRequest) -> Location:
    return Location(f"{request.getfixturevalue(request.param)}/location")


def test_objects_are_written_read_and_removed_like_files(root: Location) -> None:
    name = root / "a" / "b"
    root.mkdir()
    assert not name.exists()
    name.write_bytes("ü".encode())
    assert name.exists()
    assert name.read_text() == "ü"
    assert name.stat().st_size == 2
    with name.open("rb") as file:
        file.seek(1)
        assert file.read() == "ü".encode()[1:]
    name.unlink()
    name.unlink(missing_ok=True)
    assert not name.exists()


def test_objects_below_are_found_but_no_placeholders(root: Location) -> None:
    for name in ("x/a", "x/b/c", "x/b/d", "xy"):
        (root / name).write_bytes(b"123")
    store_for(str(root)).write(f"{root}/x/", b"")
    below = root / "x"
    assert list(below.iterdir()) == [below / "a", below / "b"]
    assert list(below.below()) == [below / "a", below / "b" / "c", below / "b" / "d"]
    assert [stat.st_size for _, stat in below.stats()] == [3, 3, 3]
    assert all(stat == found.stat() for found, stat in below.stats())
    assert list((root / "none").iterdir()) == []


@pytest.mark.parametrize("verb", ["read_bytes", "stat", "unlink"])
def test_store_errors_become_os_errors_with_the_name(root: Location, verb: str) -> None:
    missing = root / "missing"
    with pytest.raises(FileNotFoundError) as caught:
        getattr(missing, verb)()
    assert (caught.value.errno, caught.value.filename) == (errno.ENOENT, str(missing))
    assert caught.value.strerror


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (errors.Missing, FileNotFoundError),
        (errors.Changed, FileNotFoundError),
        (errors.Denied, PermissionError),
        (errors.NoCredentials, PermissionError),
        (errors.TimedOut, ConnectionError),
        (errors.ServerFailed, ConnectionError),
        (errors.WrongChecksum, ConnectionError),
    ],
)
def test_every_store_error_has_an_os_error(
    error: type[errors.StoreError], expected: type[OSError]
) -> None:
    name = Location("gs://bucket/a")
    with pytest.raises(expected) as caught, name.named_errors():
        raise error("why")
    assert (caught.value.strerror, caught.value.filename) == ("why", "gs://bucket/a")
