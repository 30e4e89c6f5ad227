from pathlib import Path

import pytest

from imagebeam.beam_pipeline.doctor.finding import FindingState
from imagebeam.beam_pipeline.doctor.module import check_module
from imagebeam.beam_pipeline.exit_codes import UsageError
from imagebeam.beam_pipeline.options.label_options import LabelOptions
from imagebeam.modules.errors import ModuleError
from tests.beam_pipeline.colours import write_module
from tests.modules.flatbuffers import echo


def _options(module: Path | None = None, **others: object) -> LabelOptions:
    name = None if module is None else str(module)
    return LabelOptions(inputs=(), output=Path(), module=name, **others)  # type: ignore[arg-type]


def test_a_working_module_passes(tmp_path: Path) -> None:
    path = write_module(tmp_path / "module.tflite")
    module, labels = check_module(_options(path))
    assert (module.state, labels.state) == (FindingState.OK, FindingState.OK)
    assert module.message.startswith(f"{path} runs on litert, 1 × 1, sha256:")
    assert module.facts["image_size"] == [1, 1]
    assert labels.message == "3 class names, built into the module"


def test_classes_without_names_are_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "module.tflite"
    path.write_bytes(echo((1, 1, 1, 3), ((1, 3),)))
    found = list(check_module(_options(path)))
    assert [(each.about, each.state.value) for each in found] == [
        ("module", "ok"),
        ("module", "warning"),
        ("module", "warning"),
        ("labels", "warning"),
    ]
    assert found[1].message.startswith("nothing states the input range of the module; 0 to 1 is")
    assert found[2].message == (
        "the module has 3 classes without names, so the column `label` holds numbers. Give "
        "--labels FILE with one name per line. If they are not classes but features, give "
        "--emit features and --module-output NAME=features."
    )


def test_labels_that_do_not_fit_are_a_problem(tmp_path: Path) -> None:
    path = write_module(tmp_path / "module.tflite")
    names = tmp_path / "names.txt"
    names.write_text("one\ntwo\n")
    with pytest.raises(ModuleError, match="2 class names, but the module has 3 classes"):
        list(check_module(_options(path, labels=names)))


def test_a_missing_model_output_is_a_problem(tmp_path: Path) -> None:
    path = write_module(tmp_path / "module.tflite")
    with pytest.raises(UsageError, match=r"it has no features\. It provides labels, logits\."):
        list(check_module(_options(path, emit=("features",))))


def test_a_missing_module_is_a_problem() -> None:
    with pytest.raises(ModuleError, match="/nowhere"):
        list(check_module(_options(Path("/nowhere"))))
