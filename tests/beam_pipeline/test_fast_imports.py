"""Each test imports Beam in a process of its own."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

_ROOT = Path(__file__).parents[2]
_REPORT = """
import gc, json, sys
from imagebeam.beam_pipeline.fast_imports import fast_imports
with fast_imports(json.loads(sys.argv[1])):
    import apache_beam
    from imagebeam.beam_pipeline import job
optional = ("pandas", "boto3", "bson", "apitools", "google.cloud.storage", "requests", "pyparsing")
optional += ("absl", "proto.marshal", "PIL", "beartype._decor", "cryptography.hazmat")
optional += ("fastavro.schema", "yaml.nodes", "httplib2.auth")
found = [name for name in optional if name in sys.modules]
import pyarrow
pyarrow.array(["a"])
arrow = "pandas" in sys.modules
import httplib2, pandas, google.cloud.storage, apache_beam.io.gcp.bigquery
httplib2.Http()
import yaml, apache_beam.transforms.external, apache_beam.coders.coder_impl, apache_beam.io.avroio
from apache_beam.typehints import typehints
from apache_beam.transforms.util import Fernet as early
from cryptography.fernet import Fernet
assert yaml.safe_load("a: [1]") == {"a": [1]}
assert typehints.is_subhint(bool, int) and not typehints.is_subhint(str, int)
key = Fernet.generate_key()
assert early(key).decrypt(Fernet(key).encrypt(b"x")) == b"x"
assert apache_beam.io.avroio.fastavro.parse_schema("string") == "string"
assert not hasattr(yaml, "nothing") and not hasattr(httplib2, "__nothing__")
print(json.dumps([found, arrow, gc.isenabled(), gc.get_freeze_count() > 0]))
"""


def _report(*beam_args: str) -> list[Any]:
    words = [sys.executable, "-c", _REPORT, json.dumps(beam_args)]
    done = subprocess.run(words, stdout=subprocess.PIPE, cwd=_ROOT, check=True)
    found: list[Any] = json.loads(done.stdout)
    return found


def test_optional_libraries_are_left_out_while_beam_is_imported_and_found_later() -> None:
    pytest.importorskip("pandas")
    assert _report() == [[], False, True, True]


def test_options_of_beam_may_need_all_of_them() -> None:
    pytest.importorskip("pandas")
    found, *_ = _report("--runner=FlinkRunner")
    assert "pandas" in found
