"""Test archives inside archives, and concatenated archives."""

import gzip
import io
import tarfile
import zipfile
from collections.abc import Callable, Mapping

import pytest

from imagebeam.images.containers.archive import MemberNames
from imagebeam.images.containers.container import open_container
from imagebeam.images.containers.kinds import ContainerKind
from imagebeam.images.containers.types import ContainerLimits, MemberProblem
from imagebeam.images.listing.names import NameRules
from tests.images.containers.archives import content, example, opened, tar, tfrecords, zipped

INNER = {"1.jpg": b"one", "2.jpg": b"two" * 999}
KINDS = {
    "tar": (tar(INNER), ".tar"),
    "tar.gz": (tar(INNER, "w:gz"), ".tar.gz"),
    "tar.xz": (tar(INNER, "w:xz"), ".txz"),
    "deflated zip": (zipped(INNER), ".zip"),
    "stored zip": (zipped(INNER, zipfile.ZIP_STORED), ".zip"),
}
Pack = Callable[[Mapping[str, bytes]], bytes]
OUTER: dict[str, tuple[Pack, ContainerKind]] = {
    "tar": (tar, ContainerKind.TAR),
    "tar.gz": (lambda members: tar(members, "w:gz"), ContainerKind.TAR_GZIP),
    "tar.bz2": (lambda members: tar(members, "w:bz2"), ContainerKind.TAR_BZIP2),
    "stored zip": (lambda members: zipped(members, zipfile.ZIP_STORED), ContainerKind.ZIP),
    "deflated zip": (zipped, ContainerKind.ZIP),
    "bzip2 zip": (lambda members: zipped(members, zipfile.ZIP_BZIP2), ContainerKind.ZIP),
}


@pytest.mark.parametrize("inner", KINDS)
@pytest.mark.parametrize("outer", OUTER)
def test_members_of_a_nested_archive_are_read(outer: str, inner: str) -> None:
    data, suffix = KINDS[inner]
    pack, kind = OUTER[outer]
    packed = pack({"a.jpg": b"a", f"n{suffix}": data, f"m{suffix}": data, "z.jpg": b"z"})
    assert content(opened(packed, kind)) == {
        "a.jpg": b"a",
        **{f"n{suffix}!/{name}": value for name, value in INNER.items()},
        **{f"m{suffix}!/{name}": value for name, value in INNER.items()},
        "z.jpg": b"z",
    }


@pytest.mark.parametrize("outer", OUTER)
def test_records_of_a_nested_file_are_read(outer: str) -> None:
    pack, kind = OUTER[outer]
    data = tfrecords(example(image__encoded=b"1"), example(image__encoded=b"22"))
    packed = pack({"x.tfrecord": data, "y.tfrecord.gz": gzip.compress(data)})
    assert content(opened(packed, kind)) == {
        "x.tfrecord!/record=1": b"1",
        "x.tfrecord!/record=2": b"22",
        "y.tfrecord.gz!/record=1": b"1",
        "y.tfrecord.gz!/record=2": b"22",
    }


@pytest.mark.parametrize("outer", OUTER)
def test_unsupported_nested_files_have_a_row(outer: str) -> None:
    pack, kind = OUTER[outer]
    deep = tar({"deeper.tar": tar({"1.jpg": b"1"}), "2.jpg": b"2"})
    packed = pack({"n.tar": deep, "rubbish.zip": b"rubbish", "t.parquet": b"PAR1", "z.jpg": b"z"})
    assert content(opened(packed, kind)) == {
        "n.tar!/deeper.tar": "bad_member",
        "n.tar!/2.jpg": b"2",
        "rubbish.zip": "bad_member",
        "t.parquet": "bad_member",
        "z.jpg": b"z",
    }


def test_a_link_without_a_suffix_is_left_out_as_another_kind() -> None:
    left_out: list[tuple[str, str]] = []
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        info = tarfile.TarInfo("latest")
        info.type, info.linkname = tarfile.SYMTYPE, "a.jpg"
        archive.addfile(info)
    names = MemberNames(NameRules(), lambda *what: left_out.append(what))
    buffer.seek(0)
    assert list(open_container(buffer, ContainerKind.TAR, names=names)) == []
    assert left_out == [("other_kind", "latest")]


def test_hidden_archives_are_left_out() -> None:
    inner = tar({"1.jpg": b"1"})
    packed = tar({"._n.tar": inner, "__MACOSX/n.tar": inner, "z.jpg": b"z"})
    assert content(opened(packed, ContainerKind.TAR)) == {"z.jpg": b"z"}


def test_members_are_counted_over_all_levels() -> None:
    left_out: list[tuple[str, str]] = []
    packed = tar({"n.tar": tar({**INNER, "b.txt": b""}), ".a.jpg": b"", "c.7z": b"7z", "d": b"?"})
    container = open_container(
        io.BytesIO(packed),
        ContainerKind.TAR,
        names=MemberNames(NameRules(("2.*",)), lambda *what: left_out.append(what)),
    )
    assert [entry.name for entry in container] == ["n.tar!/1.jpg"]
    assert left_out == [
        ("excluded", "n.tar!/2.jpg"),
        ("other_kind", "n.tar!/b.txt"),
        ("hidden", ".a.jpg"),
        ("archive", "c.7z"),
        ("other_kind", "d"),
    ]
    for most, problems in ((7, []), (6, ["archive_limit"])):
        found = opened(packed, ContainerKind.TAR, limits=ContainerLimits(members=most))
        codes = [entry.error.code for entry in found if isinstance(entry, MemberProblem)]
        assert codes == problems


@pytest.mark.parametrize("outer", OUTER)
def test_content_decides_for_names_without_a_suffix(outer: str) -> None:
    pack, kind = OUTER[outer]
    picture = b"\x89PNG\r\n\x1a\n" + bytes(99)
    packed = pack({"picture": picture, "picture.jpg?w=1": picture, "README": b"text", "e": b""})
    assert content(opened(packed, kind)) == {"picture": picture, "picture.jpg?w=1": picture}


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_concatenated_tars_are_read(mode: str) -> None:
    kinds = {
        "w": ContainerKind.TAR,
        "w:gz": ContainerKind.TAR_GZIP,
        "w:bz2": ContainerKind.TAR_BZIP2,
        "w:xz": ContainerKind.TAR_XZ,
    }
    both = tar({"a.jpg": b"a"}, mode) + tar({"b.jpg": b"b"}, mode) + tar({"c.jpg": b"c"}, mode)
    found = content(opened(both, kinds[mode]))
    assert found == {"a.jpg": b"a", "b.jpg": b"b", "c.jpg": b"c"}


def test_concatenated_tars_in_a_compressed_stream_are_read() -> None:
    both = gzip.compress(tar({"a.jpg": b"a"}) + tar({"b.jpg": b"b"}))
    assert content(opened(both, ContainerKind.TAR_GZIP)) == {"a.jpg": b"a", "b.jpg": b"b"}


@pytest.mark.parametrize("rest", [b"x", b"<html>" * 300, b"\0" * 700 + b"x" * 512])
def test_other_data_behind_the_end_mark_has_a_row(rest: bytes) -> None:
    found = content(opened(tar({"a.jpg": b"a"}) + rest, ContainerKind.TAR))
    assert found == {"a.jpg": b"a", "": "archive_damaged"}


@pytest.mark.parametrize("zeros", [0, 1, 511, 512, 3_000_001])
def test_padding_behind_the_end_mark_has_no_row(zeros: int) -> None:
    packed = tar({"a.jpg": b"a"}) + b"\0" * zeros
    assert content(opened(packed, ContainerKind.TAR)) == {"a.jpg": b"a"}
