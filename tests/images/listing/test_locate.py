import tarfile
import zipfile
from contextlib import closing
from pathlib import Path

import pytest

from imagebeam.images.listed_image import ImageLocation
from imagebeam.images.listing.locate import locate
from imagebeam.images.reading.reader import ImageReader
from imagebeam.images.settings import Preprocessing
from tests.beam_pipeline.jobs import archive
from tests.images.reading.test_reader import size_of as sizes


def packed(folder: Path, count: int) -> dict[str, list[str]]:
    """Write archives of drawn pictures; return the URIs of their members."""
    names = archive(folder / "loose", count)
    members = {name: Path(name).relative_to(folder / "loose").as_posix() for name in names}
    with zipfile.ZipFile(folder / "a.zip", "w") as file:
        for name, member in members.items():
            file.write(name, member)
    for suffix, mode in (("tar", "w"), ("tar.gz", "w:gz")):
        with tarfile.open(folder / f"a.{suffix}", mode) as tar:  # type: ignore[call-overload]
            for name, member in members.items():
                tar.add(name, member)
    return {
        suffix: [f"{folder}/a.{suffix}!/{member}" for member in members.values()]
        for suffix in ("zip", "tar", "tar.gz")
    }


def test_members_of_archives_are_found_and_can_be_read(tmp_path: Path) -> None:
    archives = packed(tmp_path, 4)
    names = [uri for uris in zip(*archives.values(), strict=True) for uri in uris]
    found = locate([*names, f"{tmp_path}/a.zip!/gone.jpg"], 30)
    assert [each.container is not None for each in found] == [True] * 12 + [False]
    with closing(ImageReader(Preprocessing((8, 8)), 1)) as reader:
        assert [sizes(each) for each in reader.read(found[:-1]).outcomes] == [(160, 120)] * 12


def test_other_names_are_plain_locations(tmp_path: Path) -> None:
    [name] = archive(tmp_path / "odd!", 1)
    names = [name, "/nowhere/a.zip!/b.jpg", "gs://bucket/a.jpg", "javascript:alert(1)!/x"]
    assert locate(names, 30) == [
        ImageLocation(name),
        ImageLocation("/nowhere/a.zip!/b.jpg"),
        ImageLocation("gs://bucket/a.jpg"),
        ImageLocation("javascript:alert(1)!/x"),
    ]


@pytest.mark.parametrize("suffix", ["zip", "tar", "tar.gz"])
def test_the_search_ends_at_its_time_limit(tmp_path: Path, suffix: str) -> None:
    names = packed(tmp_path, 3)[suffix]
    # The time limit allows one look, at the first member.
    assert [each.container is not None for each in locate(names, -1)] == [True, False, False]


def test_members_before_the_damage_are_found(tmp_path: Path) -> None:
    names = packed(tmp_path, 3)["tar"]
    tar = tmp_path / "a.tar"
    tar.write_bytes(tar.read_bytes()[:600])
    assert [each.container is not None for each in locate(names, 30)][1:] == [False, False]
