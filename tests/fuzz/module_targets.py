"""Modules as targets: a file that is none ends with a message."""

import os
import random
import resource
import signal
import tempfile
import traceback
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from imagebeam.modules.errors import ModuleError
from imagebeam.modules.litert.flatbuffer import read_interface
from imagebeam.modules.tensorflow.subprocess import tensorflow_is_installed
from imagebeam.modules.types import GRAPH_FILE
from tests.fuzz import mutations
from tests.fuzz.target import Target
from tests.modules.flatbuffers import UINT8, Quantisation, echo

_MEMORY = 4_000_000_000
_SECONDS = 5
_UNEXPECTED = 99


def _flatbuffer(content: bytes) -> None:
    """Read the interface of a flatbuffer in a process of its own, as a trial does.

    Whatever LiteRT's C++ code does to that process, Python must raise nothing else.
    """
    if (child := os.fork()) == 0:
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        signal.alarm(_SECONDS)
        code = _UNEXPECTED
        try:
            with suppress(ModuleError):
                read_interface(content, "module")
            code = 0
        except Exception:
            traceback.print_exc()
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) != _UNEXPECTED, "an unexpected exception"


@cache
def _saved_model() -> bytes:
    """Return a graph with one signature, one variable and an attachment of TF1 Hub format."""
    from tensorflow.core.protobuf import saved_model_pb2

    model: Any = saved_model_pb2.SavedModel(saved_model_schema_version=1)
    graph = model.meta_graphs.add()
    graph.meta_info_def.tags.append("serve")
    node = graph.graph_def.node.add(name="x", op="Placeholder")
    node.attr["dtype"].type = 1
    graph.graph_def.library.function.add().node_def.add(name="y", op="Sigmoid")
    for signature in ("serving_default", "default"):
        for puts in (graph.signature_def[signature].inputs, graph.signature_def[signature].outputs):
            puts["images"].dtype = 1
            for size in (-1, 8, 8, 3):
                puts["images"].tensor_shape.dim.add(size=size)
    attachment = b"\n\x11image_module_info\x12\x06\n\x04\x08\x08\x10\x08"
    graph.collection_def["hub_module_attachments"].bytes_list.value.append(attachment)
    return bytes(model.SerializeToString(deterministic=True))


def _damage_saved_model(_: bytes, rng: random.Random) -> bytes:
    from tensorflow.core.protobuf import saved_model_pb2

    if rng.random() < 0.4:
        return mutations.damage(_saved_model(), rng)
    model: Any = saved_model_pb2.SavedModel.FromString(_saved_model())
    mutations.damage_message(model, rng)
    return bytes(model.SerializeToString(deterministic=True))


def _graphs(content: bytes) -> None:
    """Read what is read of a SavedModel before TensorFlow loads it."""
    from imagebeam.modules.tensorflow import saved_model_proto as proto

    with tempfile.TemporaryDirectory(prefix="imagebeam-fuzz-") as folder:
        (Path(folder) / GRAPH_FILE).write_bytes(content)
        with suppress(ModuleError):
            graphs = proto.read_graphs(Path(folder))
            proto.inference_tags(graphs)
            proto.has_fake_quantisation(graphs)
            proto.declared_signatures(graphs)
            proto.default_image_size(graphs)


MODULES = {
    "tflite": Target(
        [
            echo(),
            echo(softmax=True, free_batch=True),
            echo(dtype=UINT8, quantisation=Quantisation(1 / 256, 0), names=("scores",)),
            echo(statement=bytes(range(64)), free_size=True),
        ],
        mutations.damage,
        _flatbuffer,
        fast=30,
        slow=300,
    ),
}
if tensorflow_is_installed():
    MODULES["saved_model.pb"] = Target([b""], _damage_saved_model, _graphs)
"""The kinds of module, by name."""
