import gzip
import io
import tarfile
from pathlib import Path

import pytest

from imagebeam.modules.errors import ModuleError
from imagebeam.modules.handles.archives import module_root, unpack


def _member(
    name: str, content: bytes = b"content", **fields: object
) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, content


def _archive(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for info, content in members:
            archive.addfile(info, io.BytesIO(content))
    return path


def _unpacked(archive: Path, directory: Path) -> dict[str, bytes]:
    directory.mkdir()
    unpack(archive, directory)
    files = (path for path in directory.rglob("*") if path.is_file())
    return {path.relative_to(directory).as_posix(): path.read_bytes() for path in files}


def test_files_and_directories_are_unpacked(tmp_path: Path) -> None:
    archive = _archive(
        tmp_path / "a.tar.gz",
        _member("./", b"", type=tarfile.DIRTYPE),
        _member("./saved_model.pb"),
        _member("./variables", b"", type=tarfile.DIRTYPE),
        _member("./variables/v.index", b"x" * 100_000),
        _member("deep/er", b""),
    )
    assert _unpacked(archive, tmp_path / "to") == {
        "saved_model.pb": b"content",
        "variables/v.index": b"x" * 100_000,
        "deep/er": b"",
    }


@pytest.mark.parametrize(
    "member",
    [
        _member("../outside"),
        _member("a/../../outside"),
        _member("/outside"),
        _member("link", b"", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
        _member("link", b"", type=tarfile.LNKTYPE, linkname="saved_model.pb"),
        _member("pipe", b"", type=tarfile.FIFOTYPE),
        _member("device", b"", type=tarfile.CHRTYPE),
        _member("saved_model.pb", b"another"),
    ],
    ids=["parent", "inner parent", "absolute", "symlink", "hard link", "pipe", "device", "twice"],
)
def test_other_members_are_refused(tmp_path: Path, member: tuple[tarfile.TarInfo, bytes]) -> None:
    archive = _archive(tmp_path / "a.tgz", _member("saved_model.pb"), member)
    with pytest.raises(ModuleError, match=f"{member[0].name!r} .*Fetch it again"):
        _unpacked(archive, tmp_path / "to")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.tgz", "saved_model.pb", "to"]


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_a_truncated_archive_is_refused(tmp_path: Path, share: float) -> None:
    noise = bytes((7 * index * index) % 251 for index in range(200_000))
    archive = _archive(tmp_path / "a.tar.gz", _member("saved_model.pb", noise))
    content = archive.read_bytes()
    archive.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ModuleError, match=r"not a valid \.tar\.gz"):
        _unpacked(archive, tmp_path / "to")


def test_a_changed_byte_is_found_by_the_checksum(tmp_path: Path) -> None:
    archive = _archive(tmp_path / "a.tar.gz", _member("saved_model.pb"))
    content = bytearray(archive.read_bytes())
    content[-8] ^= 1
    archive.write_bytes(content)
    with pytest.raises(ModuleError, match="CRC"):
        _unpacked(archive, tmp_path / "to")


@pytest.mark.parametrize(
    "content", [b"no gzip", gzip.compress(b"no tar" * 200)], ids=["no gzip", "no tar"]
)
def test_a_file_that_is_not_an_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.tar.gz").write_bytes(content)
    with pytest.raises(ModuleError, match=r"not a valid \.tar\.gz"):
        _unpacked(tmp_path / "a.tar.gz", tmp_path / "to")


@pytest.mark.timeout(30)
def test_a_negative_size_does_not_loop_for_ever(tmp_path: Path) -> None:
    # CVE-2025-8194: base-256 sizes can be negative, and tarfile then moves backwards.
    info, _ = _member("saved_model.pb", b"")
    header = bytearray(info.tobuf(tarfile.USTAR_FORMAT))
    header[124:136] = b"\xff" * 10 + b"\xfc\x00"
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(bytes(header) + bytes(1024)))
    with pytest.raises(ModuleError, match=r"not a valid \.tar\.gz"):
        _unpacked(tmp_path / "a.tar.gz", tmp_path / "to")


def test_the_module_can_be_in_one_directory(tmp_path: Path) -> None:
    (tmp_path / "module").mkdir()
    assert module_root(tmp_path, "saved_model.pb") == tmp_path / "module"
    (tmp_path / "saved_model.pb").write_text("")
    assert module_root(tmp_path, "saved_model.pb") == tmp_path
