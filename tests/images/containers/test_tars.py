import io
import tarfile

import pytest

from imagebeam.images.containers.kinds import ContainerKind
from imagebeam.images.containers.types import ContainerLimits, MemberProblem
from tests.images.containers.archives import PICTURES, content, opened, tar

COMPRESSED = {
    "w:gz": ContainerKind.TAR_GZIP,
    "w:bz2": ContainerKind.TAR_BZIP2,
    "w:xz": ContainerKind.TAR_XZ,
}


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_tar_format_is_read(form: int) -> None:
    assert content(opened(tar(form=form), ContainerKind.TAR)) == PICTURES


@pytest.mark.parametrize("mode", COMPRESSED)
def test_every_compression_is_read(mode: str) -> None:
    assert content(opened(tar(mode=mode), COMPRESSED[mode])) == PICTURES


def test_zstandard_is_read() -> None:
    zstandard = pytest.importorskip("zstandard")
    data = zstandard.ZstdCompressor().compress(tar())
    assert content(opened(data, ContainerKind.TAR_ZSTANDARD)) == PICTURES


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_are_read(form: int) -> None:
    long = {f"{'folder/' * 60}{'n' * 150}-{index}.jpg": bytes([index]) for index in range(3)}
    assert content(opened(tar(long, form=form), ContainerKind.TAR)) == long


def test_only_visible_images_are_listed() -> None:
    others = dict.fromkeys(
        ("x.json", "x.cls", ".hidden.jpg", "._a.jpg", ".git/a.jpg", "__MACOSX/a.jpg"), b"no"
    )
    assert content(opened(tar({**others, **PICTURES}), ContainerKind.TAR)) == PICTURES


def test_names_have_no_special_meaning() -> None:
    strange = {
        "../../etc/a.jpg": b"1",
        "/etc/b.jpg": b"2",
        "a!/b.jpg": b"3",
        "<img src=x>.jpg": b"4",
        "new\nline.jpg": b"5",
    }
    assert content(opened(tar(strange), ContainerKind.TAR)) == strange


def test_a_leading_dot_is_removed_from_names() -> None:
    assert content(opened(tar({"./a.jpg": b"1"}), ContainerKind.TAR)) == {"a.jpg": b"1"}


def test_a_name_that_is_not_utf8_keeps_its_bytes() -> None:
    name = b"caf\xe9.jpg".decode("utf-8", "surrogateescape")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
        archive.addfile(tarfile.TarInfo(name))
    assert list(content(opened(buffer.getvalue(), ContainerKind.TAR))) == [name]


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE]
)
def test_members_that_are_not_regular_files_have_a_row(kind: bytes) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        info = tarfile.TarInfo("link.jpg")
        info.type, info.linkname = kind, "/etc/passwd"
        archive.addfile(info)
        archive.addfile(tarfile.TarInfo("a.jpg"))
    assert content(opened(buffer.getvalue(), ContainerKind.TAR)) == {
        "link.jpg": "bad_member",
        "a.jpg": b"",
    }


@pytest.mark.parametrize("kind", [ContainerKind.TAR, ContainerKind.TAR_GZIP])
def test_tars_in_a_tar_are_read(kind: ContainerKind) -> None:
    inner = {f"n{index}.tar": tar({f"{index}.jpg": bytes([index])}) for index in range(3)}
    outer = tar({**inner, "z.jpg": b"z"}, "w" if kind is ContainerKind.TAR else "w:gz")
    expected = {f"n{index}.tar!/{index}.jpg": bytes([index]) for index in range(3)}
    assert content(opened(outer, kind)) == {**expected, "z.jpg": b"z"}


def test_a_damaged_nested_tar_loses_only_members_behind_the_damage() -> None:
    broken = tar({"1.jpg": b"1", "2.jpg": b"2"})[:1500]
    outer = tar({"n.tar": broken, "z.jpg": b"z"})
    assert content(opened(outer, ContainerKind.TAR)) == {
        "n.tar!/1.jpg": b"1",
        "n.tar": "bad_member",
        "z.jpg": b"z",
    }


def test_members_before_a_cut_are_kept() -> None:
    whole = tar()
    for end in range(0, len(tar(dict(list(PICTURES.items())[:3]))), 64):
        found = content(opened(whole[:end], ContainerKind.TAR))
        problem = found.pop("", None)
        assert problem == "archive_damaged" or (end >= 5120 and problem is None)
        values = list(found.values())
        assert list(found) == list(PICTURES)[: len(found)]
        for name, value in zip(found, values, strict=True):
            assert value in (PICTURES[name], "bad_member")
        assert "bad_member" not in values[:-1]


@pytest.mark.parametrize("mode", COMPRESSED)
def test_members_before_a_cut_of_a_compressed_tar_are_kept(mode: str) -> None:
    whole = tar(mode=mode)
    for end in range(0, len(whole) - 1, 32):
        found = content(opened(whole[:end], COMPRESSED[mode]))
        # Padding behind the tar's own end is not needed.
        assert found.pop("", None) == "archive_damaged" or list(found) == list(PICTURES)
        assert list(found) == list(PICTURES)[: len(found)]


def test_damage_is_reported_with_position_and_count() -> None:
    *_, last = opened(tar()[:3000], ContainerKind.TAR)
    assert isinstance(last, MemberProblem)
    assert str(last.error).endswith("2 images before that were found")


def test_a_negative_size_is_damage() -> None:
    info = tarfile.TarInfo("a.jpg")
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    header[124:136] = b"\xff" * 11 + b"\x00"
    # The checksum counts its own eight bytes as spaces.
    header[148:156] = b"%06o\0 " % (sum(header[:148]) + 8 * ord(" ") + sum(header[156:]))
    assert content(opened(bytes(header) * 3, ContainerKind.TAR)) == {"": "archive_damaged"}


def test_a_size_beyond_the_end_loses_its_member_and_the_rest() -> None:
    info = tarfile.TarInfo("huge.jpg")
    info.size = 1 << 40
    found = content(opened(info.tobuf(tarfile.GNU_FORMAT) + b"x" * 512, ContainerKind.TAR), 1 << 50)
    assert found == {"huge.jpg": "bad_member", "": "archive_damaged"}


def test_a_member_over_the_limit_is_an_error_row() -> None:
    found = content(
        opened(tar({"a.jpg": b"12345", "b.jpg": b"1234"}), ContainerKind.TAR), max_bytes=4
    )
    assert found == {"a.jpg": "file_too_large", "b.jpg": b"1234"}


def test_a_member_too_many_ends_the_listing() -> None:
    found = content(opened(tar(), ContainerKind.TAR, limits=ContainerLimits(members=2)))
    assert list(found.values()) == [*list(PICTURES.values())[:2], "archive_limit"]


def test_a_name_that_is_too_long_is_an_error_row() -> None:
    data = tar({"n" * 300 + ".jpg": b""}, form=tarfile.GNU_FORMAT)
    assert content(opened(data, ContainerKind.TAR, limits=ContainerLimits(name_bytes=200))) == {
        "": "archive_damaged"
    }


def test_empty_files_and_other_content_are_refused() -> None:
    assert content(opened(b"", ContainerKind.TAR)) == {"": "archive_damaged"}
    assert content(opened(b"<html>" * 500, ContainerKind.TAR)) == {"": "archive_unsupported"}
    assert content(opened(b"<html>" * 500, ContainerKind.TAR_GZIP)) == {"": "archive_unsupported"}
    assert content(opened(tar({}), ContainerKind.TAR)) == {}
