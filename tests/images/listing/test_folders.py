import os
import subprocess
import tempfile
from pathlib import Path

import pytest

from imagebeam.images.listing import folders
from imagebeam.images.listing.left_out import LeftOut
from imagebeam.images.listing.names import NameRules
from tests.images.reading.test_fetch import without_rights


def tree(root: Path, *names: str) -> Path:
    """Create empty files and their folders."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def walked(folder: Path) -> list[str]:
    found = list(folders.walk(str(folder), NameRules(), LeftOut()))
    assert [problem for _, problem in found if problem] == []
    return [os.path.relpath(path, folder) for path, _ in found]


def expanded(pattern: str, base: Path) -> list[str]:
    found = list(folders.expand(pattern, str(base), NameRules(), LeftOut()))
    assert [problem for _, problem in found if problem] == []
    return [os.path.relpath(path, base) for path, _ in found]


class TestWalk:
    def test_images_of_all_folders_are_sorted_by_name(self, tmp_path: Path) -> None:
        tree(
            tmp_path,
            "b.jpg",
            "a/z.png",
            "a/b/c.webp",
            "B.jpg",
            "c.gif",
            "a0.bmp",
            "10.tif",
            "9.tiff",
        )
        expected = [
            "10.tif",
            "9.tiff",
            "B.jpg",
            "a/b/c.webp",
            "a/z.png",
            "a0.bmp",
            "b.jpg",
            "c.gif",
        ]
        assert walked(tmp_path) == expected

    def test_the_suffix_decides_in_upper_and_lower_case(self, tmp_path: Path) -> None:
        taken = ["a.JPG", "b.Jpeg", "c.jpe", "d.jfif", "e.dib", "f.x.PNG"]
        tree(tmp_path, *taken, "g.txt", "h", "i.jpg.bak", "jpg")
        assert walked(tmp_path) == taken

    def test_known_kinds_of_pictures_are_images_even_if_they_cannot_be_decoded(
        self, tmp_path: Path
    ) -> None:
        tree(tmp_path, "k.heic", "l.svg", "m.NEF")
        assert walked(tmp_path) == ["k.heic", "l.svg", "m.NEF"]

    def test_content_decides_for_names_without_a_suffix(self, tmp_path: Path) -> None:
        tree(tmp_path, "text", "b.jpg.2")
        names = ["a.jpg.1", "a.jpg?w=100", "nosuffix"]
        for name in names:
            (tmp_path / name).write_bytes(b"\xff\xd8\xff\xe0 a JPEG")
        assert walked(tmp_path) == names

    def test_hidden_files_and_folders_are_left_out(self, tmp_path: Path) -> None:
        tree(tmp_path, "a.jpg", "._a.jpg", ".jpg", ".thumbnails/a.jpg", "b/.c/d.jpg", "b/e.jpg")
        assert walked(tmp_path) == ["a.jpg", "b/e.jpg"]

    def test_a_hidden_folder_named_as_input_is_listed(self, tmp_path: Path) -> None:
        assert walked(tree(tmp_path / ".photos", "a.jpg")) == ["a.jpg"]

    def test_a_folder_with_an_images_name_is_a_folder(self, tmp_path: Path) -> None:
        assert walked(tree(tmp_path, "a.jpg/b.jpg", "c.jpg/d.txt")) == ["a.jpg/b.jpg"]

    def test_links_are_followed_except_loops(self, tmp_path: Path) -> None:
        tree(tmp_path, "in/a.jpg", "in/b/c.jpg", "out/d.jpg")
        (tmp_path / "in" / "link").symlink_to(tmp_path / "out")
        (tmp_path / "in" / "b" / "again").symlink_to(tmp_path / "out")
        (tmp_path / "in" / "up").symlink_to("..")
        (tmp_path / "in" / "b" / "back").symlink_to(tmp_path / "in")
        (tmp_path / "in" / "self").symlink_to("self")
        (tmp_path / "in" / "e.jpg").symlink_to("a.jpg")
        assert walked(tmp_path / "in") == [
            *("a.jpg", "b/again/d.jpg", "b/c.jpg", "e.jpg", "link/d.jpg"),
            # The folder above contains this one, whose second visit ends, and the other.
            "up/out/d.jpg",
        ]

    def test_dangling_links_are_images_by_their_names(self, tmp_path: Path) -> None:
        (tmp_path / "dangling.jpg").symlink_to("gone.jpg")
        (tmp_path / "loop.jpg").symlink_to("loop.jpg")
        (tmp_path / "dangling").symlink_to("gone")
        assert walked(tmp_path) == ["dangling.jpg", "loop.jpg"]

    def test_a_tree_may_be_deeper_than_python_recurses(self, tmp_path: Path) -> None:
        deepest = tmp_path / "/".join("d" * 1100)
        # Python's own functions for this recurse as well.
        subprocess.run(["mkdir", "-p", deepest], check=True)
        try:
            (deepest / "a.jpg").touch()
            found = list(folders.walk(str(tmp_path), NameRules(), LeftOut()))
        finally:
            subprocess.run(["rm", "-r", tmp_path / "d"], check=True)
        assert found == [(f"{deepest}/a.jpg", None)]

    def test_a_folder_that_cannot_be_listed_is_reported(self) -> None:
        with tempfile.TemporaryDirectory() as root:
            tree(Path(root), "a/b.jpg", "c/d.jpg", "e.jpg")
            Path(root).chmod(0o755)
            Path(root, "c").chmod(0)
            with without_rights():
                found = list(folders.walk(root, NameRules(), LeftOut()))
            Path(root, "c").chmod(0o755)
        problems = [problem for _, problem in found]
        assert [path for path, _ in found] == [f"{root}/a/b.jpg", f"{root}/c", f"{root}/e.jpg"]
        assert [problem and (problem.code, str(problem)) for problem in problems] == [
            None,
            ("listing_failed", "the folder cannot be listed: Permission denied"),
            None,
        ]

    def test_a_deleted_folder_is_reported(self, tmp_path: Path) -> None:
        [(path, problem)] = folders.walk(str(tmp_path / "gone"), NameRules(), LeftOut())
        assert path == str(tmp_path / "gone")
        assert str(problem) == "the folder cannot be listed: No such file or directory"


class TestExpand:
    @pytest.mark.parametrize(
        ("pattern", "expected"),
        [
            ("*.jpg", ["a.jpg", "b.jpg"]),
            ("?.jp*g", ["a.jpg", "b.jpg", "c.jpeg"]),
            ("[!a].jpg", ["b.jpg"]),
            ("*", ["a.jpg", "b.jpg", "c.jpeg", "x/d.jpg", "x/y/e.jpg", "z/f.png"]),
            ("x/*.jpg", ["x/d.jpg"]),
            ("*/*", ["x/d.jpg", "x/y/e.jpg", "z/f.png"]),
            ("*/d.jpg", ["x/d.jpg"]),
            ("**/*.jpg", ["a.jpg", "b.jpg", "x/d.jpg", "x/y/e.jpg"]),
            ("**", ["a.jpg", "b.jpg", "c.jpeg", "x/d.jpg", "x/y/e.jpg", "z/f.png"]),
            ("x/**", ["x/d.jpg", "x/y/e.jpg"]),
            ("**/y", ["x/y/e.jpg"]),
            ("**/x/**/*.jpg", ["x/d.jpg", "x/y/e.jpg"]),
            ("./x/../*.png", []),
            ("./x/../z/*", ["z/f.png"]),
            ("*.JPG", []),
            ("*.txt", []),
            ("a.jpg/*", []),
            ("none/*", []),
            (".hidden/*", [".hidden/h.jpg"]),
            (".*/*", [".hidden/h.jpg"]),
            ("**/h.jpg", []),
        ],
    )
    def test_globs_match_as_python_does(
        self, tmp_path: Path, pattern: str, expected: list[str]
    ) -> None:
        tree(tmp_path, "a.jpg", "b.jpg", "c.jpeg", "n.txt", "x/d.jpg", "x/y/e.jpg", "z/f.png")
        tree(tmp_path, ".hidden/h.jpg", "x/.i.jpg")
        assert expanded(pattern, tmp_path) == expected
        assert expanded(f"{tmp_path}/{pattern}", tmp_path) == expected

    def test_images_in_a_matched_folder_are_listed_once(self, tmp_path: Path) -> None:
        tree(tmp_path, "a.jpg", "x/b.jpg", "x/y/c.jpg", "xx/d.jpg")
        assert expanded("**/*", tmp_path) == ["a.jpg", "x/b.jpg", "x/y/c.jpg", "xx/d.jpg"]

    def test_two_links_in_a_loop_are_followed_once(self, tmp_path: Path) -> None:
        tree(tmp_path, "in/a.jpg", "in/b/c.jpg")
        for name in ("one", "two"):
            (tmp_path / "in" / "b" / name).symlink_to(tmp_path / "in")
        assert expanded("in/**/*.jpg", tmp_path) == ["in/a.jpg", "in/b/c.jpg"]

    def test_a_folder_that_cannot_be_listed_is_reported_once(self) -> None:
        with tempfile.TemporaryDirectory() as root:
            tree(Path(root), "a/b.jpg", "c/d.jpg")
            Path(root).chmod(0o755)
            Path(root, "c").chmod(0)
            with without_rights():
                found = list(folders.expand("**/*.jpg", root, NameRules(), LeftOut()))
                direct = list(folders.expand("*/d.jpg", root, NameRules(), LeftOut()))
            Path(root, "c").chmod(0o755)
        assert [path for path, _ in found] == [f"{root}/a/b.jpg", f"{root}/c"]
        assert [str(problem) for _, problem in found if problem] == [
            "the folder cannot be listed: Permission denied"
        ]
        # Its existence is unknown: fetching reports that it may not be read.
        assert direct == [(f"{root}/c/d.jpg", None)]

    def test_matches_can_be_of_any_kind(self, tmp_path: Path) -> None:
        tree(tmp_path, "a.txt", "b/c.txt")
        found = list(folders.matches("**/*.txt", str(tmp_path)))
        assert found == [(f"{tmp_path}/a.txt", None), (f"{tmp_path}/b/c.txt", None)]
