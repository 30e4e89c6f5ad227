import pyarrow as pa

from imagebeam.report.breakdown import Breakdown, GroupCount

NOON_2019, NOON_2020 = 1_558_000_000, 1_590_000_000


def test_images_are_counted_by_folder_and_year() -> None:
    counts = Breakdown()
    uris = ["/a/1.jpg", "/a/b\n/2.jpg", "/a/3.jpg", "/top.jpg", "x.zip!/y/4.jpg"]
    dates = [NOON_2019, NOON_2020, NOON_2020, 0, -1]
    counts.add(pa.RecordBatch.from_pydict({"uri": uris, "date": dates}))
    failed = {"uri": ["/a/5.jpg", "gs://b/6.jpg"], "code": ["truncated"] * 2}
    counts.add(pa.RecordBatch.from_pydict(failed))
    assert counts.folders() == [
        GroupCount("/a", 2, 1),
        GroupCount("", 1),
        GroupCount("/a/b\n", 1),
        GroupCount("gs://b", 0, 1),
        GroupCount("x.zip!/y", 1),
    ]
    assert counts.years() == [GroupCount("2020", 2), GroupCount("2019", 1)]


def test_folders_beyond_the_limit_are_counted_together() -> None:
    counts = Breakdown(most_folders=2)
    uris = ["/a/1", "/b/1", "/c/1", "/a/2", "/d/1"]
    counts.add(pa.RecordBatch.from_pydict({"uri": uris, "date": [0] * 5}))
    assert sum(each.labelled for each in counts.folders()) + counts.others == 5
    assert (len(counts.folders()), counts.others) == (2, 2)
