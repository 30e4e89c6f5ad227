import pyarrow as pa
import pytest

from imagebeam.images.containers.kinds import ContainerKind
from imagebeam.images.containers.types import (
    ContainerLimits,
    Member,
    MemberProblem,
    MemberSelection,
)
from tests.images.containers.archives import content, opened, parquet

IMAGES = [b"first", b"second" * 99, None, b"fourth", b"fifth"]
BY_NUMBER = {
    "row=1": b"first",
    "row=2": b"second" * 99,
    "row=3": "bad_member",
    "row=4": b"fourth",
    "row=5": b"fifth",
}
HUGGING_FACE = pa.array(
    [
        None if data is None else {"bytes": data, "path": f"{n}.jpg"}
        for n, data in enumerate(IMAGES)
    ],
    pa.struct([("bytes", pa.binary()), ("path", pa.string())]),
)


@pytest.mark.parametrize(
    "column", [pa.array(IMAGES, pa.binary()), pa.array(IMAGES, pa.large_binary()), HUGGING_FACE]
)
def test_an_image_a_row(column: pa.Array) -> None:
    data = parquet({"label": [1, 2, 3, 4, 5], "image": column})
    assert content(opened(data, ContainerKind.PARQUET)) == BY_NUMBER


def test_rows_in_any_order() -> None:
    column = pa.array([b"%d" % n for n in range(100)], pa.binary())
    container = opened(parquet({"image": column}, rows_per_group=40), ContainerKind.PARQUET)
    places = [entry.place for entry in container if isinstance(entry, Member)]
    assert len(places) == 100
    for index in (5, 99, 0, 1, 39, 40, 38, 41, 98):
        assert container.read(places[index], 99) == b"%d" % index


def test_names_from_a_column() -> None:
    data = parquet({"image": pa.array([b"1", b"2"], pa.binary()), "id": ["x", None]})
    found = content(opened(data, ContainerKind.PARQUET, MemberSelection(id_key="id")))
    assert found == {"x": b"1", "row=2": "bad_member"}


def test_names_from_the_struct() -> None:
    data = parquet({"image": HUGGING_FACE.slice(0, 2)})
    found = content(opened(data, ContainerKind.PARQUET, MemberSelection(id_key="image.path")))
    assert found == {"0.jpg": b"first", "1.jpg": b"second" * 99}


def _reason(data: bytes, **selection: str) -> str:
    [problem] = opened(data, ContainerKind.PARQUET, MemberSelection(**selection))
    assert isinstance(problem, MemberProblem)
    assert problem.error.code == "archive_unsupported"
    return str(problem.error)


def test_columns_that_do_not_fit_are_told() -> None:
    two = parquet({"a": pa.array([b"1"]), "b": pa.array([b"2"]), "c": ["x"]})
    assert _reason(two) == "several columns hold bytes: 'a', 'b'. Choose one with --image-column"
    assert _reason(parquet({"c": ["x"]})) == "no column holds bytes; it has 'c'"
    assert _reason(two, image_column="c") == (
        "no column of bytes is called 'c'. There are 'a', 'b'"
    )
    assert _reason(two, image_column="a", id_key="d") == (
        "no column is called 'd'. There are 'a', 'b', 'c'"
    )
    assert content(opened(two, ContainerKind.PARQUET, MemberSelection(image_column="b"))) == {
        "row=1": b"2"
    }


def test_limits() -> None:
    data = parquet({"image": pa.array(IMAGES, pa.binary())})
    assert content(opened(data, ContainerKind.PARQUET), max_bytes=100)["row=2"] == "file_too_large"
    found = content(opened(data, ContainerKind.PARQUET, limits=ContainerLimits(members=1)))
    assert found == {"row=1": b"first", "": "archive_limit"}


def test_damage() -> None:
    data = parquet({"image": pa.array(IMAGES, pa.binary())})
    assert content(opened(data[:-1], ContainerKind.PARQUET)) == {"": "archive_damaged"}
    assert content(opened(b"", ContainerKind.PARQUET)) == {"": "archive_damaged"}
    broken = bytearray(data)
    broken[4:60] = b"\xff" * 56
    found = content(opened(bytes(broken), ContainerKind.PARQUET))
    assert list(found) == list(BY_NUMBER)
    assert found["row=1"] == "bad_member"
    assert found["row=4"] == b"fourth"
