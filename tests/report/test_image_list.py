import json

import pyarrow as pa

from imagebeam.report.image_list import ImageList


def batch(*uris: str, label: str = "cat") -> pa.RecordBatch:
    columns = {"uri": list(uris), "label": [label] * len(uris), "score": [0.5] * len(uris)}
    return pa.RecordBatch.from_pydict(columns)


def test_names_are_kept_by_folder_and_class() -> None:
    images = ImageList()
    images.add(batch("/a/1.jpg", "/a/2\n.jpg", "b.jpg"))
    images.add(batch("/a/3.jpg", label="dog"))
    assert images.data({"dog": 0, "cat": 1}) == {
        "total": 4,
        "folders": ["/a/", ""],
        "files": ["1.jpg", "2\u240a.jpg", "b.jpg", "3.jpg"],
        "folder": (0, 0, 1, 0),
        "class": [1, 1, 1, 0],
        "score": (500, 500, 500, 500),
        "raw": {1: "/a/2\n.jpg"},
    }


def test_the_list_ends_at_its_size_limit_and_still_counts() -> None:
    images = ImageList(100_000)
    for index in range(100):
        images.add(batch(*(f"/photos/{index:03}/{place:09}.jpg" for place in range(100))))
    data = images.data({})
    assert data["total"] == 10_000
    assert 2_000 < len(data["files"]) < 10_000
    assert len(json.dumps(data, separators=(",", ":"))) < 100_000


def test_an_empty_list_is_valid() -> None:
    assert ImageList().data({})["files"] == []
