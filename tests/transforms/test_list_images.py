import time
from collections.abc import Callable, Iterator
from pathlib import Path

import apache_beam as beam
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing.util import assert_that, equal_to

from imagebeam.images.errors import ImageError
from imagebeam.images.listed_image import ListedImage
from imagebeam.images.listing.inputs import sources
from imagebeam.images.listing.left_out import LeftOut
from imagebeam.images.listing.sources import Source
from imagebeam.transforms.elements import PAGE_SIZE, Page
from imagebeam.transforms.list_images import ListImages, list_source
from tests.transforms.pictures import grey, listed


def test_every_name_of_every_source_has_its_position(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    second, first = grey(folder, "b.png", 1), grey(folder, "a.png", 2)
    alone = grey(tmp_path, "alone.png", 3)
    manifest = tmp_path / "list.jsonl"
    manifest.write_text('"folder/b.png"\n{"uri": 7.5}\n')
    with beam.Pipeline(FnApiRunner()) as pipeline:
        pages = pipeline | ListImages(sources([str(folder), alone, str(manifest)]))
        message = "`uri` is 7.5, not the name of an image"
        assert_that(
            pages | beam.Map(_readable),
            equal_to(
                [
                    (0, 0, [(first, 0, None), (second, 1, None)]),
                    (
                        *(1, 0),
                        [
                            (second, 0, None),
                            (f"{manifest}#line=2", 1, ("bad_entry", message)),
                        ],
                    ),
                    (2, 0, [(alone, 0, None)]),
                ]
            ),
        )


def _code_and_text(error: ImageError | None) -> tuple[str, str] | None:
    return None if error is None else (error.code, str(error))


def _readable(page: Page) -> tuple[int, int, list[tuple[str, int, tuple[str, str] | None]]]:
    return (
        *(page.source, page.number),
        [(image.uri, image.ordinal, _code_and_text(image.error)) for image in page.images],
    )


def test_a_long_list_is_split_into_pages() -> None:
    names = tuple(f"/{n}.jpg" for n in range(2 * PAGE_SIZE + 1))
    pages = list(list_source(7, Source("images", names)))
    assert [(page.source, page.number, len(page.images)) for page in pages] == [
        *((7, 0, PAGE_SIZE), (7, 1, PAGE_SIZE), (7, 2, 1))
    ]
    refs = [ref for page in pages for ref in page.images]
    assert refs == [listed(name, n) for n, name in enumerate(names)]


class _SlowSource(Source):
    """A listing that blocks."""

    def images(
        self, left_out: LeftOut, found: Callable[[int], object] = lambda number: None
    ) -> Iterator[ListedImage]:
        for image in super().images(left_out, found):
            time.sleep(0.05)
            yield image


def test_a_page_contains_its_listing_time() -> None:
    [page] = list_source(0, _SlowSource("images", ("/a.jpg", "/b.jpg")))
    assert list(page.costs) == ["list"]
    assert page.costs["list"].wall >= 0.1
    assert page.costs["list"].cpu < 0.1


def test_left_out_entries_are_counted_on_their_page(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.txt", "c.mov", ".d.jpg"):
        (tmp_path / name).touch()
    [page] = list_source(0, Source("folder", (str(tmp_path),)))
    assert len(page.images) == 1
    assert page.left_out == {
        "hidden": (1, (f"{tmp_path}/.d.jpg",)),
        "other_kind": (1, (f"{tmp_path}/b.txt",)),
        "video": (1, (f"{tmp_path}/c.mov",)),
    }


def test_a_page_can_contain_only_left_out_entries(tmp_path: Path) -> None:
    (tmp_path / "b.txt").touch()
    [page] = list_source(0, Source("folder", (str(tmp_path),)))
    assert page.images == ()
    assert page.left_out["other_kind"].entries == 1
