"""Test the parameters of the Flex Template and the command that they become."""

import json
import re
import runpy
from typing import Any

from google.cloud.dataflow_v1beta3 import ParameterType, TemplateMetadata

from imagebeam.beam_pipeline.cli import command_parser
from imagebeam.beam_pipeline.options.label_options import LabelOptions
from tests.beam_pipeline.jobs import ROOT

_LAUNCH = ROOT / "deploy" / "dataflow" / "launch.py"
_METADATA = (_LAUNCH.parent / "metadata.json").read_text(encoding="utf-8")
_PARAMETERS: dict[str, dict[str, Any]] = {
    parameter["name"]: parameter for parameter in json.loads(_METADATA)["parameters"]
}
_GIVEN = {
    "inputs": "gs://photos/2019/ 'gs://photos/my pictures/*.jpg'",
    "output": "gs://labels/run1",
    "sdk_container_image": "europe-docker.pkg.dev/project/repository/imagebeam:1",
    "module": "gs://modules/flowers.tflite@sha256:" + 64 * "0",
    "emit": "labels,features",
    "format": "tfrecord",
    "resize": "stretch",
    "top_k": "3",
    "limit": "1000",
    "images_per_shard": "100",
    "retry_failed": "true",
    "overwrite": "true",
}


def test_google_accepts_the_metadata() -> None:
    # The parser refuses unknown names.
    metadata = TemplateMetadata.from_json(_METADATA)
    assert [parameter.name for parameter in metadata.parameters] == list(_PARAMETERS)
    for parameter in metadata.parameters:
        assert parameter.label
        assert parameter.help_text
        assert bool(parameter.enum_options) == (parameter.param_type == ParameterType.ENUM)


def test_every_parameter_states_its_allowed_values() -> None:
    assert set(_GIVEN) == set(_PARAMETERS)
    for name, value in _GIVEN.items():
        assert _fits(name, value)
        assert not _fits(name, "a word")
    for name, parameter in _PARAMETERS.items():
        assert _fits(name, parameter.get("defaultValue", _GIVEN[name]))
        for option in parameter.get("enumOptions", ()):
            assert _fits(name, option["value"])


def test_every_parameter_is_an_option_of_the_command() -> None:
    options, beam_args = _parsed(_GIVEN)
    assert options.inputs == ("gs://photos/2019/", "gs://photos/my pictures/*.jpg")
    assert str(options.output) == "gs://labels/run1"
    assert options.module == _GIVEN["module"]
    assert options.emit == ("labels", "features")
    assert (options.format, options.resize) == ("tfrecord", "stretch")
    assert (options.top_k, options.limit, options.images_per_shard) == (3, 1000, 100)
    assert options.retry_failed == ()
    assert options.overwrite
    assert options.detach
    assert beam_args == [f"--sdk_container_image={_GIVEN['sdk_container_image']}"]


def test_the_defaults_are_those_of_the_command() -> None:
    needed = {
        name: _GIVEN[name] for name, each in _PARAMETERS.items() if not each.get("isOptional")
    }
    assert set(needed) == {"inputs", "output"}
    defaults = {
        name: parameter["defaultValue"]
        for name, parameter in _PARAMETERS.items()
        if "defaultValue" in parameter
    }
    assert _parsed(needed | defaults) == _parsed(needed)


def _parsed(parameters: dict[str, str]) -> tuple[LabelOptions, list[str]]:
    command = runpy.run_path(str(_LAUNCH))["command"]
    words = command(f"--{name}={value}" for name, value in parameters.items())
    args, beam_args = command_parser.parse(words)
    args.beam_args = beam_args
    return LabelOptions.parse(args), beam_args


def _fits(name: str, value: str) -> bool:
    return all(re.fullmatch(regex, value) for regex in _PARAMETERS[name]["regexes"])
