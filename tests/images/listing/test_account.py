"""Test that each entry of an input is requested or counted as left out, in a look and in a job."""

import gzip
import io
import os
import random
import struct
import tarfile
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagebeam.images.containers.types import MemberSelection
from imagebeam.images.listing.left_out import REASONS, LeftOut
from imagebeam.images.listing.listing_pass import ListingRules
from imagebeam.images.listing.manifests.entry_addresses import EntryRules
from imagebeam.images.listing.names import FILE_SERVER_NAMES, NameRules
from imagebeam.images.listing.sources import Source
from imagebeam.images.settings import Access
from tests.images.containers.archives import RawEntry, example, parquet, raw_zip, tfrecords

_NAMES = (
    *("a.jpg", "B.PNG", "c.heic", "d.txt", "e.mov", "f.tar", ".hidden.jpg", "nosuffix", "g.jpg.1"),
    *("h.jpg?w=1", "@eaDir", "i.xyz", "j.parquet", "Thumbs.db", "ü.jpg", "k\n.jpg", "[1].jpg"),
)
_FOLDERS = ("", "x", "x/y", ".git", "@eaDir", "x/#recycle", "ü")
_CONTENTS = (b"", b"\xff\xd8\xff\xe0", b"text", b"\0" * 40)


def _walked(folder: Path) -> int:
    """Return the entries that a person would count: files, and folders left out as a whole."""
    seen = 0
    for root, below, names in os.walk(folder):
        skipped = [
            name for name in below if name.startswith(".") or name.lower() in FILE_SERVER_NAMES
        ]
        below[:] = [name for name in below if name not in skipped]
        seen += len(skipped) + len(names)
        assert root
    return seen


def _counted(source: Source) -> tuple[int, int, dict[str, int]]:
    """Return the images requested, the entries left out, and these by reason."""
    left_out = LeftOut()
    found = [each.uri for each in source.images(left_out)]
    by_reason = {reason: count for reason, (count, _) in left_out.take().items()}
    assert {*by_reason} <= {*REASONS}
    # `doctor` looks at the inputs before the job.
    looked = sum(1 for _ in replace(source, is_look=True).images(left_out))
    assert looked == len(found)
    assert {reason: count for reason, (count, _) in left_out.take().items()} == by_reason
    return len(found), sum(by_reason.values()), by_reason


@pytest.mark.parametrize("seed", range(60))
def test_the_counts_of_a_folder_add_up(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(rng.randrange(40)):
        folder = tmp_path / rng.choice(_FOLDERS)
        if not folder.is_dir() and os.path.lexists(folder):
            continue
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / rng.choice(_NAMES)
        if os.path.lexists(path):
            continue
        if rng.random() < 0.9:
            path.write_bytes(rng.choice(_CONTENTS))
        else:
            path.symlink_to(rng.choice(["gone", "a.jpg", path.name]))
    requested, left_out, _ = _counted(Source("folder", (str(tmp_path),)))
    assert requested + left_out == _walked(tmp_path)


def _tar(members: list[tuple[str, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            info.type = tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def _zip(members: list[tuple[str, bytes]]) -> bytes:
    return raw_zip(*(RawEntry(name.encode(), data, 0x800) for name, data in members))


def _gzipped(members: list[tuple[str, bytes]]) -> bytes:
    return gzip.compress(_tar(members))


_ARCHIVES = {"tar": _tar, "zip": _zip, "tar.gz": _gzipped}


def _packed(rng: random.Random, suffix: str, depth: int) -> tuple[bytes, int]:
    """Make an archive; return it and its entries as a person would count them.

    An archive in it stands for its own entries, or for itself if it is empty, damaged or too deep.
    """
    members: list[tuple[str, bytes]] = []
    seen = 0
    for _ in range(rng.randrange(12)):
        folder = rng.choice(_FOLDERS)
        name = rng.choice(_NAMES)
        if rng.random() < 0.1:
            members.append((f"{folder or 'z'}/", b""))
        elif rng.random() < 0.3:
            inner = rng.choice([*_ARCHIVES])
            data, count = _packed(rng, inner, depth + 1) if depth < 2 else (b"damaged", 1)
            if rng.random() < 0.2:
                data, count = b"no archive", 1
            path = f"{folder}/n.{inner}".lstrip("/")
            is_skipped = any(
                part.lower() in FILE_SERVER_NAMES or part[0] == "." for part in path.split("/")
            )
            members.append((path, data))
            seen += 1 if is_skipped or depth == 1 else max(count, 1)
        elif not name.endswith((".tar", ".parquet")):
            # A name may come several times.
            members.append((f"{folder}/{name}".lstrip("/"), rng.choice(_CONTENTS)))
            seen += 1
    return _ARCHIVES[suffix](members), seen


@pytest.mark.parametrize("suffix", _ARCHIVES)
@pytest.mark.parametrize("seed", range(40))
def test_the_counts_of_an_archive_add_up(tmp_path: Path, suffix: str, seed: int) -> None:
    data, seen = _packed(random.Random(seed), suffix, 0)
    path = tmp_path / f"in.{suffix}"
    path.write_bytes(data)
    requested, left_out, by_reason = _counted(Source("container", (str(path),)))
    # An archive without files is itself the entry.
    assert requested + left_out == max(seen, 1)
    assert seen or by_reason == {"empty_archive": 1}


@pytest.mark.parametrize("seed", range(20))
def test_the_counts_of_records_add_up(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    records = [
        rng.choice([example(image__encoded=b"1", id=b"x"), example(id=b"y"), b"\xff" * 9, b""])
        for _ in range(rng.randrange(1, 30))
    ]
    path = tmp_path / "in.tfrecord"
    path.write_bytes(tfrecords(*records))
    for key in (None, "id"):
        access = Access(selection=MemberSelection(id_key=key))
        source = Source("container", (str(path),), access=access)
        assert _counted(source) == (len(records), 0, {})
    # Entries behind damage cannot be counted: a row says where it is.
    path.write_bytes(tfrecords(*records) + struct.pack("<Q", 1 << 60))
    requested, left_out, _ = _counted(Source("container", (str(path),)))
    assert (requested, left_out) == (len(records) + 1, 0)


@pytest.mark.parametrize("seed", range(4))
def test_the_counts_of_rows_add_up(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    images = [
        rng.choice(
            [
                None,
                *(
                    {"bytes": data, "path": path}
                    for data in (b"1", None)
                    for path in ("a.jpg", None)
                ),
            ]
        )
        for _ in range(rng.randrange(1, 30))
    ]
    ids = [rng.choice(["a", "b", None]) for _ in images]
    path = tmp_path / "in.parquet"
    path.write_bytes(parquet({"image": pa.array(images, kind), "id": pa.array(ids, pa.string())}))
    for key in (None, "id"):
        access = Access(selection=MemberSelection(id_key=key))
        source = Source("container", (str(path),), str(tmp_path), access=access)
        assert _counted(source) == (len(images), 0, {})


_cell = st.text(alphabet='ab.jpg,"\t /?=:\0é', max_size=12)


@given(st.lists(_cell, max_size=20), st.sampled_from(["list.txt", "list.lst"]))
@settings(max_examples=150, deadline=None)
def test_the_counts_of_lines_add_up(
    tmp_path_factory: pytest.TempPathFactory, cells: list[str], name: str
) -> None:
    path = tmp_path_factory.mktemp("lines") / name
    path.write_text("".join(f"{cell}\n" for cell in cells), newline="")
    requested, left_out, by_reason = _counted(Source("manifest", (str(path),), str(path.parent)))
    assert by_reason.get("empty_manifest", 0) == (not cells)
    assert requested + left_out == max(len(cells), 1)


@given(st.lists(st.tuples(_cell, _cell), max_size=20))
@settings(max_examples=150, deadline=None)
def test_the_counts_of_csv_lines_add_up(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]
) -> None:
    """Cells without newlines: with any quoting, each line is an entry or part of a lost one."""
    path = tmp_path_factory.mktemp("csv") / "list.csv"
    path.write_text("uri,x\n" + "".join(f"{uri},{x}\n" for uri, x in rows), newline="")
    source = Source("manifest", (str(path),), str(path.parent))
    requested, left_out, by_reason = _counted(source)
    assert by_reason.pop("empty_manifest", 0) == (not rows)
    left_out = sum(by_reason.values())
    spanned = path.read_text().count("\n") - 1 - requested - left_out
    # A quoted cell can span lines: its record then counts for all of them.
    assert spanned >= 0
    if not any('"' in cell for row in rows for cell in row):
        assert spanned == 0


def test_names_can_be_excluded(tmp_path: Path) -> None:
    for name in ("a.jpg", "b_mask.png", "x/c.jpg", "x/y/d.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    rules = ListingRules(NameRules(("*_mask.png", "x/y")), EntryRules())
    source = Source("folder", (str(tmp_path),), rules=rules)
    assert [Path(each.uri).name for each in source] == ["a.jpg", "c.jpg"]
    assert _counted(source) == (2, 2, {"excluded": 2})
