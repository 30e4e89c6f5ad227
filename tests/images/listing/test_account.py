"""Test that each entry of a folder or manifest is requested or counted as left out."""

import os
import random
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagebeam.images.listing.entry_addresses import EntryRules
from imagebeam.images.listing.left_out import REASONS, LeftOut
from imagebeam.images.listing.names import FILE_SERVER_NAMES, NameRules
from imagebeam.images.listing.sources import ListingRules, Source

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
        skipped = [name for name in below if name.startswith(".") or name in FILE_SERVER_NAMES]
        below[:] = [name for name in below if name not in skipped]
        seen += len(skipped) + len(names)
        assert root
    return seen


def _counted(source: Source) -> tuple[int, int, dict[str, int]]:
    """Return the images requested, the entries left out, and these by reason."""
    left_out = LeftOut()
    requested = len(list(source.images(left_out)))
    by_reason = {reason: count for reason, (count, _) in left_out.take().items()}
    assert {*by_reason} <= {*REASONS}
    return requested, sum(by_reason.values()), by_reason


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


@pytest.mark.parametrize("seed", range(30))
def test_the_counts_of_a_tar_add_up(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    names = sorted({f"{rng.choice(_FOLDERS)}/{rng.choice(_NAMES)}" for _ in range(20)})
    names = [name for name in names if not name.endswith((".tar", ".parquet"))]
    with tarfile.open(tmp_path / "in.tar", "w") as archive:
        for name in names:
            info = tarfile.TarInfo(name.lstrip("/"))
            archive.addfile(info)
    requested, left_out, _ = _counted(Source("container", (str(tmp_path / "in.tar"),)))
    assert requested + left_out == len(names)


_cell = st.text(alphabet='ab.jpg,"\t /?=:\0é', max_size=12)


@given(st.lists(_cell, max_size=20), st.sampled_from(["list.txt", "list.lst"]))
@settings(max_examples=150, deadline=None)
def test_the_counts_of_lines_add_up(
    tmp_path_factory: pytest.TempPathFactory, cells: list[str], name: str
) -> None:
    path = tmp_path_factory.mktemp("lines") / name
    path.write_text("".join(f"{cell}\n" for cell in cells), newline="")
    requested, left_out, _ = _counted(Source("manifest", (str(path),), str(path.parent)))
    assert requested + left_out == len(cells)


@given(st.lists(st.tuples(_cell, _cell), max_size=20))
@settings(max_examples=150, deadline=None)
def test_the_counts_of_csv_lines_add_up(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]
) -> None:
    """Cells without newlines: with any quoting, each line is an entry or part of a lost one."""
    path = tmp_path_factory.mktemp("csv") / "list.csv"
    path.write_text("uri,x\n" + "".join(f"{uri},{x}\n" for uri, x in rows), newline="")
    source = Source("manifest", (str(path),), str(path.parent))
    requested, left_out, _ = _counted(source)
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
