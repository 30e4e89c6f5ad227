"""Test that the tools which read the files of deploy/ accept them, and that the files agree."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from imagebeam.beam_pipeline.cli import command_parser
from imagebeam.beam_pipeline.options.label_options import LabelOptions
from tests.beam_pipeline.jobs import ROOT
from tests.engines.tools import tool

# These tests start external tools.
pytestmark = pytest.mark.slow

_DEPLOY = ROOT / "deploy"
_FLINK = _DEPLOY / "flink"


@pytest.fixture(scope="session")
def schemas(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """Return where kubeconform finds the schemas of Kubernetes and Flink's operator."""
    kubernetes = tool("kubernetes")
    text = (kubernetes / "flinkdeployments.yml").read_text(encoding="utf-8")
    (version,) = yaml.load(text, yaml.CSafeLoader)["spec"]["versions"]
    taken = _strict(version["schema"]["openAPIV3Schema"])
    taken["properties"] |= {"apiVersion": {}, "kind": {}, "metadata": {"type": "object"}}
    folder = tmp_path_factory.mktemp("schemas")
    (folder / "flinkdeployment.json").write_text(json.dumps(taken))
    return (
        f"{kubernetes}/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json",
        f"{folder}/{{{{.ResourceKind}}}}.json",
    )


@pytest.mark.parametrize("name", ["cluster.yaml", "job.yaml"])
def test_kubernetes_accepts_the_manifests(name: str, schemas: tuple[str, ...]) -> None:
    found = _checked((_FLINK / name).read_text(encoding="utf-8"), schemas)
    assert found["summary"]["valid"] == len(_documents(name))
    assert found["resources"] == []


def test_a_wrong_field_in_a_manifest_is_reported(schemas: tuple[str, ...]) -> None:
    text = (_FLINK / "cluster.yaml").read_text(encoding="utf-8")
    found = _checked(text.replace("runAsNonRoot", "runAsNoRoot"), schemas)
    assert "runAsNoRoot" in found["resources"][0]["msg"]


def test_no_container_has_more_rights_than_the_level_restricted() -> None:
    (deployment, _) = _documents("cluster.yaml")
    managers = deployment["spec"]["taskManager"]["podTemplate"]["spec"]
    flink = deployment["spec"]["podTemplate"]["spec"]
    (job,) = _documents("job.yaml")
    submits = job["spec"]["template"]["spec"]
    # The operator merges what both templates say about the same container.
    assert [each["name"] for each in flink["containers"]] == [managers["containers"][0]["name"]]
    assert managers["containers"][0].keys() == {"name"}
    containers = (*flink["containers"], managers["containers"][1])
    for pod, found in ((flink, containers), (submits, _containers(submits))):
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] > 0
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in found:
            rights = container["securityContext"]
            assert rights["allowPrivilegeEscalation"] is False
            assert rights["capabilities"] == {"drop": ["ALL"]}
            assert rights.get("runAsUser", 1000) == 1000
    for container in (containers[-1], *_containers(submits)):
        assert container["resources"].keys() == {"requests", "limits"}


def _containers(pod: dict[str, Any]) -> tuple[dict[str, Any], ...]:
    return (*pod["initContainers"], *pod["containers"])


def test_compose_accepts_its_file() -> None:
    services = _composed()["services"]
    assert set(services) == {"jobmanager", "taskmanager", "workers", "jobserver", "label"}
    assert services["workers"]["network_mode"] == "service:taskmanager"


@pytest.mark.parametrize("dockerfile", sorted(_DEPLOY.rglob("Dockerfile")), ids=str)
def test_hadolint_accepts_the_dockerfiles(dockerfile: Path) -> None:
    process = subprocess.run(
        [tool("bin/hadolint"), "--no-color", dockerfile],
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.stdout == ""
    assert process.returncode == 0


def test_every_flink_has_the_same_settings() -> None:
    settings = yaml.safe_load((_FLINK / "config.yaml").read_text(encoding="utf-8"))
    wanted = {name: str(value) for name, value in settings.items()}
    (deployment, _) = _documents("cluster.yaml")
    assert deployment["spec"]["flinkConfiguration"] == wanted
    for service in ("jobmanager", "taskmanager"):
        properties = yaml.safe_load(
            _composed()["services"][service]["environment"]["FLINK_PROPERTIES"]
        )
        assert properties.pop("jobmanager.rpc.address") == "jobmanager"
        assert properties == settings


def test_the_command_accepts_the_job_options() -> None:
    (job,) = _documents("job.yaml")
    (container,) = job["spec"]["template"]["spec"]["containers"]
    (_, *command) = container["command"]
    _assert_understood([*command, *container["args"]])
    (_, *words) = _composed()["services"]["label"]["entrypoint"]
    _assert_understood([*words, "/photos"])


def test_the_parallelism_of_the_job_is_that_of_the_cluster() -> None:
    (deployment, _) = _documents("cluster.yaml")
    managers = deployment["spec"]["taskManager"]["replicas"]
    slots = int(deployment["spec"]["flinkConfiguration"]["taskmanager.numberOfTaskSlots"])
    (job,) = _documents("job.yaml")
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert f"--parallelism={managers * slots}" in container["args"]
    (_, workers) = deployment["spec"]["taskManager"]["podTemplate"]["spec"]["containers"]
    cores = workers["resources"]["requests"]["cpu"]
    assert f"--decode-processes={cores}" in container["args"]
    assert f"--parallelism={slots}" in _composed()["services"]["label"]["entrypoint"]


def test_the_versions_are_those_of_the_requirements() -> None:
    pins = dict(re.findall(r"^(\S+)==(\S+)$", (ROOT / "requirements.txt").read_text(), re.M))
    assert f"ARG BEAM={pins['apache-beam']}\n" in (_DEPLOY / "Dockerfile").read_text()
    for name in ("job.yaml", "compose.yaml"):
        assert f"_job_server:{pins['apache-beam']}\n" in (_FLINK / name).read_text()


def _assert_understood(words: list[str]) -> None:
    args, beam_args = command_parser.parse(words)
    args.beam_args = beam_args
    options = LabelOptions.parse(args)
    assert all(each.startswith("--") for each in options.beam_args)


def _documents(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((_FLINK / name).read_text(encoding="utf-8")))


def _composed() -> dict[str, Any]:
    process = subprocess.run(
        # The variables name folders of the user.
        [tool("bin/compose-spec"), "-no-interpolation", "-format=json", _FLINK / "compose.yaml"],
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(json.loads(process.stdout))


def _checked(manifest: str, schemas: tuple[str, ...]) -> dict[str, Any]:
    places = [part for each in schemas for part in ("-schema-location", each)]
    process = subprocess.run(
        [tool("bin/kubeconform"), "-strict", "-summary", "-output=json", *places],
        input=manifest,
        capture_output=True,
        text=True,
        check=False,
    )
    return dict(json.loads(process.stdout))


def _strict(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema with unnamed properties refused."""
    if "properties" in schema:
        named = {name: _strict(each) for name, each in schema["properties"].items()}
        return schema | {"properties": named, "additionalProperties": False}
    if "items" in schema:
        return schema | {"items": _strict(schema["items"])}
    return schema
