import json
from typing import Any

import pyarrow as pa

from imagebeam.report.image_list import FailureList, ImageList

TOP = pa.list_(pa.struct([("class", pa.int32()), ("label", pa.string()), ("score", pa.float32())]))


def batch(*uris: str, top: tuple[tuple[str, float], ...] = (("cat", 0.5), ("dog", 0.25))) -> Any:
    """Return rows of pictures written at second 100, of which every second one is newer."""
    count = len(uris)
    entries = [{"class": 0, "label": label, "score": score} for label, score in top]
    return pa.RecordBatch.from_pydict(
        {
            "uri": list(uris),
            "width": [4] * count,
            "height": [3] * count,
            "label": [top[0][0]] * count,
            "score": pa.array([top[0][1]] * count, pa.float32()),
            "top_k": pa.array([entries] * count, TOP),
            "written": [100] * count,
            "date": [99 + 2 * (index % 2) for index in range(count)],
        }
    )


def test_pictures_are_kept_by_column() -> None:
    images = ImageList()
    images.add(batch("/a/1.jpg", "/a/2\n.jpg", "b.jpg"))
    images.add(batch("/a/3.jpg", top=(("d\no", 0.9996), ("cat", 0.0004), ("e", 0.0))))
    first, second = map(json.loads, images.page_chunks())
    assert first == {
        "folders": ["/a/", ""],
        "file": ["1.jpg", "2\u240a.jpg", "b.jpg"],
        "folder": [0, 0, 1],
        "raw": {"1": "/a/2\n.jpg"},
        "width": [4, 4, 4],
        "height": [3, 3, 3],
        "date": [99, 101, 99],
        "changed": [1],
        "label": [0, 0, 0],
        "score": [500, 500, 500],
        "top": [1, 250, 1, 250, 1, 250],
        "others": 1,
    }
    assert images.labels == ["cat", "dog", "d\u240ao", "e"]
    assert (second["label"], second["score"]) == ([2], [1000])
    assert (second["top"], second["others"]) == ([0, 0, 3, 0], 2)
    assert (images.total, images.held, [*images.files()]) == (4, 4, [])


def test_a_score_that_is_not_a_number_counts_as_0() -> None:
    images = ImageList()
    images.add(batch("a", top=(("cat", float("nan")), ("dog", float("inf")))))
    [chunk] = map(json.loads, images.page_chunks())
    assert (chunk["score"], chunk["top"]) == ([0], [1, 1000])


def test_rows_that_do_not_fit_into_the_page_go_into_files_and_then_are_only_counted() -> None:
    images = ImageList(page_bytes=1_000_000, most_bytes=6_000_000)
    names = [f"/photos/{index:09}.jpg" for index in range(8192)]
    for _ in range(20):
        images.add(batch(*names))
    chunks = [len(chunk) for chunk in images.page_chunks()]
    assert sum(chunks) < 1_000_000
    files = [*images.files()]
    rows = [len(chunk["file"]) for text in files for chunk in json.loads(text)]
    assert {*rows} == {8192}
    assert len(files) == 2
    assert (images.total, images.held) == (20 * 8192, 8192 * (len(rows) + len(chunks)))
    assert images.held < images.total


def test_a_chunk_that_is_too_large_for_the_page_goes_into_a_file() -> None:
    images = ImageList(page_bytes=1000)
    images.add(batch("x" * 2000))
    images.add(batch("small"))
    assert images.page_chunks() == []
    [file] = images.files()
    assert [chunk["file"] for chunk in json.loads(file)] == [["x" * 2000], ["small"]]


def test_failed_images_are_kept_with_code_and_message() -> None:
    failures = FailureList()
    columns = {"uri": ["/a/b.jpg"], "code": ["gone"], "message": ["\x1b[31m"]}
    failures.add(pa.RecordBatch.from_pydict(columns))
    [chunk] = map(json.loads, failures.page_chunks())
    assert chunk == {
        "folders": ["/a/"],
        "file": ["b.jpg"],
        "folder": [0],
        "raw": {},
        "label": [0],
        "message": ["\u241b[31m"],
    }
    assert failures.labels == ["gone"]


def test_an_empty_list_is_valid() -> None:
    assert ([*ImageList().files()], ImageList().page_chunks(), ImageList().labels) == ([], [], [])
