"""What a local job does not need is not imported for it, and can be imported afterwards."""

import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from imagebeam.beam_pipeline.runners import quick_imports as tested

_PROGRAM = """
import sys
from imagebeam.beam_pipeline.runners.quick_imports import quick_imports
with quick_imports(sys.argv[1:]):
    from imagebeam.beam_pipeline.job import label
from apache_beam.options.pipeline_options import PipelineOptions
wanted = ("google.cloud.storage", "pymongo", "pandas", "beartype", "httplib2", "yaml")
print(*(name for name in wanted if name in sys.modules))
import google.cloud.storage
import pymongo
"""

_LATE_PROGRAM = """
from imagebeam.beam_pipeline.runners.quick_imports import quick_imports
with quick_imports([]):
    from imagebeam.beam_pipeline.job import label
from collections.abc import Iterator
import apache_beam as beam
from apache_beam.internal import http_client
from apache_beam.io import avroio
from apache_beam.transforms import managed, util
from apache_beam.typehints import typehints
key = b"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
fernet = util.Fernet(key)
print(
    typehints.is_consistent_with(bool, int),
    typehints.is_consistent_with(str, int),
    fernet.decrypt(fernet.encrypt(b"text")),
    managed.yaml.safe_load("[1, two]"),
    type(http_client.httplib2.Http()).__name__,
    avroio.fastavro.parse_schema("string"),
)
"""


@pytest.mark.parametrize("beam_args", [(), ("--runner=DirectRunner",)])
def test_parts_for_other_jobs_are_left_to_those(beam_args: tuple[str, ...]) -> None:
    run = subprocess.run(
        (sys.executable, "-c", _PROGRAM, *beam_args), capture_output=True, text=True, check=True
    )
    everywhere = {"google.cloud.storage", "pymongo", "beartype", "httplib2", "yaml"}
    # Where pandas is not installed, it is nowhere.
    assert set(run.stdout.split()) - {"pandas"} == (everywhere if beam_args else set())
    assert "pandas" not in run.stdout or beam_args


def test_what_is_put_off_works_when_it_is_used() -> None:
    run = subprocess.run(
        (sys.executable, "-c", _LATE_PROGRAM), capture_output=True, text=True, check=True
    )
    assert run.stdout == "True False b'text' [1, 'two'] Http string\n"


@pytest.fixture
def late(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    name = "imported_late"
    (tmp_path / f"{name}.py").write_text("NUMBER = 3\ndef double(x): return 2 * x\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(tested, "_LATE", {name: ("double",)})
    yield name
    sys.modules.pop(name, None)


def test_a_module_is_imported_when_it_is_used(late: str) -> None:
    with tested.quick_imports([]):
        module = import_module(late)
        assert import_module(late) is module
        double = module.double
    assert late not in sys.modules
    assert double(4) == 8
    assert sys.modules[late].NUMBER == module.NUMBER == 3
    with pytest.raises(AttributeError, match="module 'imported_late' has no attribute 'half'"):
        _ = module.half


def test_a_module_that_cannot_be_imported_says_so_when_it_is_used(
    late: str, tmp_path: Path
) -> None:
    (tmp_path / f"{late}.py").unlink()
    with tested.quick_imports([]):
        module = import_module(late)
        with pytest.raises(ModuleNotFoundError, match="No module named 'imported_late'"):
            module.double(4)
    with pytest.raises(ModuleNotFoundError, match="No module named 'imported_late'"):
        module.double(4)


def test_a_module_that_is_used_at_once_is_imported_at_once(late: str) -> None:
    with tested.quick_imports([]):
        assert import_module(late).NUMBER == 3
        there = sys.modules[late]
        assert there.__file__ is not None
    assert sys.modules[late] is there


def test_what_is_imported_already_stays() -> None:
    before = dict(sys.modules)
    with tested.quick_imports([]):
        pass
    assert sys.modules == before
