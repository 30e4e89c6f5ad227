from imagebeam.outputs.account import Plan
from imagebeam.outputs.listing_count import ListingCount, listed_images
from imagebeam.outputs.progress import ProgressWatcher
from imagebeam.storage import AnyPath
from tests.outputs.outputs import claimed


def test_long_listings_are_counted_while_they_run(root: AnyPath) -> None:
    now = [0.0]
    layout = claimed(root)
    counts = [ListingCount(layout, source, lambda: now[0]) for source in (0, 1)]
    counts[0].add(1000)
    assert listed_images(layout) == 0
    now[0] = 10.0
    counts[0].add(500)
    counts[1].add(7)
    assert listed_images(layout) == 1507
    counts[0].add(1)
    assert listed_images(layout) == 1507
    now[0] = 20.0
    counts[0].add(1)
    assert ProgressWatcher(layout).look().listed == 1509
    Plan(requested=1509, to_do=1509).write(layout)
    assert listed_images(layout) == 0
    assert ProgressWatcher(layout).look().listed == 0


def test_members_of_an_archive_count_before_they_are_listed(root: AnyPath) -> None:
    now = [0.0]
    layout = claimed(root)
    count = ListingCount(layout, 0, lambda: now[0])
    for images, expected in ((1000, 1000), (500, 1500)):
        now[0] += 10.0
        count.found(images)
        assert listed_images(layout) == expected
    for images, expected in ((1000, 1500), (900, 1900)):
        now[0] += 10.0
        count.add(images)
        assert listed_images(layout) == expected


def test_a_new_run_begins_at_zero(root: AnyPath) -> None:
    layout = claimed(root)
    (layout.job / "listing-0.json").write_bytes(b'{"images": 12}')
    assert listed_images(layout) == 12
    claimed(root)
    assert listed_images(layout) == 0


def test_other_files_do_not_count(root: AnyPath) -> None:
    layout = claimed(root)
    for index, content in enumerate((b"[]", b"{", b"\xff", b'{"images": null}', b"{}")):
        (layout.job / f"listing-{index}.json").write_bytes(content)
    (layout.job / "listing-x.json").write_bytes(b'{"images": 5}')
    assert listed_images(layout) == 0
