"""What a local job does not need is not imported for it, and can be imported afterwards."""

import subprocess
import sys

import pytest

from beam_pipeline import quick_imports as tested

_PROGRAM = """
import sys
from beam_pipeline.quick_imports import quick_imports
with quick_imports(sys.argv[1:]):
    from beam_pipeline.label import label
from apache_beam.options.pipeline_options import PipelineOptions
wanted = ("google.cloud.storage", "pymongo", "pandas")
print(*(name for name in wanted if name in sys.modules))
import google.cloud.storage
import pymongo
"""


@pytest.mark.parametrize("beam_args", [(), ("--runner=DirectRunner",)])
def test_parts_for_other_jobs_are_left_to_those(beam_args: tuple[str, ...]) -> None:
    run = subprocess.run(
        (sys.executable, "-c", _PROGRAM, *beam_args), capture_output=True, text=True, check=True
    )
    assert ("google.cloud.storage" in run.stdout, "pymongo" in run.stdout) == (
        (True, True) if beam_args else (False, False)
    )
    assert "pandas" not in run.stdout or beam_args


def test_what_is_imported_already_stays() -> None:
    before = dict(sys.modules)
    with tested.quick_imports([]):
        pass
    assert sys.modules == before
