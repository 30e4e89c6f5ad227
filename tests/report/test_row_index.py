import random
from typing import Any

import pyarrow as pa
import pytest

from imagebeam.report.row_index import Question, RowIndex

TOP = pa.list_(pa.struct([("class", pa.int32()), ("label", pa.string()), ("score", pa.float32())]))
DAY = 86_400
LABELS = ("cat", "d\nog", "Fish")


def rows(count: int = 60) -> list[dict[str, Any]]:
    """Return rows in three folders, whose dates are partly unknown."""
    lots = random.Random(0)
    found = []
    for place in range(count):
        label = lots.choice(LABELS)
        score = lots.randrange(1001) / 1000
        found.append(
            {
                "uri": f"{lots.choice(['/a', '/a/B', ''])}/{lots.randrange(10**6):06}-{place}.jpg",
                "width": lots.randrange(1, 50),
                "height": lots.randrange(1, 50),
                "label": label,
                "score": score,
                "top_k": [{"class": 1, "label": label, "score": score}],
                "written": 500 * DAY,
                "date": lots.choice([-1, 0, lots.randrange(1, 1000 * DAY)]),
            }
        )
    return found


def index_of(given: list[dict[str, Any]], batch: int = 17) -> RowIndex:
    index = RowIndex()
    fields = {"top_k": TOP, "score": pa.float32()}
    for first in range(0, len(given), batch):
        some = given[first : first + batch]
        columns = {
            name: pa.array([row[name] for row in some], fields.get(name)) for name in given[0]
        }
        index.add(pa.RecordBatch.from_pydict(columns))
    index.finish()
    return index


ROWS = rows()


@pytest.mark.parametrize(
    ("question", "wanted"),
    [
        (Question(), lambda row: True),
        (Question(label="cat"), lambda row: row["label"] == "cat"),
        (Question(label="d\u240aog"), lambda row: row["label"] == "d\nog"),
        (Question(label="none"), lambda row: False),
        (Question(folder="/a"), lambda row: row["uri"].rpartition("/")[0] == "/a"),
        (Question(folder="/"), lambda row: row["uri"].rpartition("/")[0] == ""),
        (Question(least=700), lambda row: round(1000 * row["score"]) >= 700),
        (Question(year="1971"), lambda row: 365 * DAY <= row["date"] < 730 * DAY),
        (Question(year="9999"), lambda row: False),
        (Question(name="/A/B/"), lambda row: "/a/B/" in row["uri"]),
        (Question(name="FISH"), lambda row: row["label"] == "Fish"),
        (Question(name="(.*"), lambda row: False),
        (
            Question(label="cat", folder="/a/B", least=100, name="7"),
            lambda row: (
                (row["label"], row["uri"][:5]) == ("cat", "/a/B/")
                and row["score"] >= 0.1
                and "7" in row["uri"]
            ),
        ),
    ],
)
def test_rows_are_found(question: Question, wanted: Any) -> None:
    index = index_of(ROWS)
    expected = [place for place, row in enumerate(ROWS) if wanted(row)]
    assert index.find(question).tolist() == expected
    assert index.find(question).tolist() == expected
    assert [row["uri"] for row in index.rows(expected)] == [ROWS[at]["uri"] for at in expected]
    index.close()


def test_texts_are_found_wherever_they_are_in_a_name() -> None:
    given = [
        {**ROWS[0], "uri": uri}
        for uri in (
            "Ab",
            "/Ab",
            "//ab",
            "x/AB",
            "x/ab/C",
            "s3://b/x/ab",
            "X\n/aB",
            "ü/Ü.jpg",
            "a/b",
        )
    ]
    index = index_of(given, 4)
    texts = ["ab", "/ab", "x/a", "X/AB/c", "//", "b/x/", "/", "ü", "Ü/ü.", "\n/A", "/ab/", "a/b/"]
    for text in texts:
        expected = [at for at, row in enumerate(given) if text.lower() in row["uri"].lower()]
        assert index.find(Question(name=text)).tolist() == expected, text
    index.close()


def last_if_unknown(date: int) -> tuple[bool, int]:
    return (date <= 0, date if date > 0 else 0)


KEYS: dict[str, Any] = {
    "name": lambda row: row["uri"],
    "high": lambda row: -row["score"],
    "low": lambda row: row["score"],
    "large": lambda row: -row["width"] * row["height"],
    "small": lambda row: row["width"] * row["height"],
    "new": lambda row: -row["date"],
    "old": lambda row: last_if_unknown(row["date"]),
}


@pytest.mark.parametrize("label", ["", "cat"])
@pytest.mark.parametrize("sort", KEYS)
def test_rows_are_sorted_and_equal_ones_keep_their_order(sort: str, label: str) -> None:
    index = index_of(ROWS)
    # One class of three is sorted alone, and everything by an order of all rows.
    some = [place for place, row in enumerate(ROWS) if row["label"] == label or not label]
    expected = sorted(some, key=lambda place: KEYS[sort](ROWS[place]))
    assert index.find(Question(label=label, sort=sort)).tolist() == expected
    index.close()


def test_a_row_has_its_names_and_numbers() -> None:
    index = index_of(ROWS)
    [row] = index.rows([23])
    assert row.pop("top_k") == [{"label": ROWS[23]["label"], "score": pytest.approx(row["score"])}]
    expected = {name: value for name, value in ROWS[23].items() if name != "top_k"}
    assert row == {**expected, "row": 23}
    for place in (-1, 60):
        with pytest.raises(IndexError):
            index.uri(place)
    index.close()


def test_failed_rows_are_found_by_code() -> None:
    index = RowIndex()
    columns = {"uri": ["a", "b", "c"], "code": ["x", "y", "x"], "message": ["1", "2", "3"]}
    index.add(pa.RecordBatch.from_pydict(columns))
    index.finish()
    places = index.find(Question(label="x"))
    assert [row["message"] for row in index.rows(places)] == ["1", "3"]
    index.close()


def test_an_output_without_rows_or_labels_can_be_asked() -> None:
    empty = RowIndex()
    empty.finish()
    assert empty.find(Question(label="x", sort="name", name="y")).tolist() == []
    empty.close()
    plain = [
        {name: row[name] for name in row if name not in ("label", "score", "top_k")} for row in ROWS
    ]
    index = index_of(plain)
    assert len(index.find(Question(sort="high"))) == 60
    assert (index.rows([5])[0]["label"], index.rows([5])[0]["score"]) == ("", None)
    index.close()
