from pathlib import Path

import pytest

from imagebeam.outputs.compare import ClassAgreement, Flip, Matrix, Move, compare
from imagebeam.outputs.errors import OutputError
from imagebeam.outputs.layout import Format
from imagebeam.outputs.reading import Output
from imagebeam.storage import AnyPath
from tests.outputs.outputs import CLASSES, named

TABBY, TIGER, FORMULA = CLASSES[:3]


@pytest.mark.parametrize("kind", ["parquet", "tfrecord"])
def test_changes_are_counted(root: AnyPath, tmp_path: Path, kind: Format) -> None:
    named(root, {"a": 0, "b": 0, "c": 0, "d": 1, "e": 2, "gone": 2}, kind)
    named(tmp_path / "new", {"a": 0, "b": 1, "c": 1, "d": 1, "e": 0, "new": 2, "newer": 2})
    found = compare(Output.open(root), Output.open(tmp_path / "new"))
    assert (found.common, found.agree, found.only_old, found.only_new) == (5, 2, 1, 2)
    assert found.drift == 0.6
    assert found.moves == [Move(TABBY, TIGER, 2), Move(FORMULA, TABBY, 1)]
    assert found.classes == [
        ClassAgreement(TABBY, 3, 1),
        ClassAgreement(FORMULA, 1, 0),
        ClassAgreement(TIGER, 1, 1),
    ]
    assert found.matrix == Matrix([TABBY, FORMULA], [TABBY, TIGER], [[1, 2, 0], [1, 0, 0]])
    assert (found.only_old_names, found.only_new_names) == (["gone"], ["new", "newer"])
    assert sorted(found.flips, key=lambda flip: flip.uri) == [
        Flip("b", TABBY, 0.75, TIGER, 0.75),
        Flip("c", TABBY, 0.75, TIGER, 0.75),
        Flip("e", FORMULA, 0.75, TABBY, 0.75),
    ]


def test_an_output_agrees_with_itself(tmp_path: Path) -> None:
    output = Output.open(named(tmp_path, {str(index): index % 3 for index in range(100)}).root)
    found = compare(output, output, 2)
    assert (found.common, found.agree, found.drift) == (100, 100, 0.0)
    assert (len(found.moves), len(found.classes), len(found.flips)) == (0, 2, 0)


def test_outputs_without_a_common_image_are_refused(tmp_path: Path) -> None:
    outputs = [
        Output.open(named(tmp_path / name, images).root)
        for name, images in (("old", {"/a.jpg": 0}), ("new", {"/b.jpg": 0}), ("empty", {}))
    ]
    with pytest.raises(OutputError, match=r"no image in common, such as '/a.jpg' and '/b.jpg'"):
        compare(outputs[0], outputs[1])
    with pytest.raises(OutputError, match="/empty: has no labelled image"):
        compare(outputs[0], outputs[2])


def test_a_matrix_counts_all_other_labels_together(tmp_path: Path) -> None:
    # Every class but the last one loses an image to the next one, and keeps one.
    old = {f"{index}-{kept}": index for index in range(4) for kept in (0, 1)}
    new = {name: index + int(name[-1]) for name, index in old.items()}
    named(tmp_path / "old", old)
    named(tmp_path / "new", new)
    found = compare(Output.open(tmp_path / "old"), Output.open(tmp_path / "new"), 2)
    assert len(found.matrix.old) == 2
    assert [sum(line) for line in found.matrix.images] == [2, 2]
    assert compare(Output.open(tmp_path / "old"), Output.open(tmp_path / "old")).matrix.old == []
