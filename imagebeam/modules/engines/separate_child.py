"""The main function of a process that runs a module for a command.

Requests are JSON, then pixels. Answers are a letter, and JSON before plain numbers or a text.
"""

import json

import numpy as np

from imagebeam.channel import ANY_SIZE
from imagebeam.child_process import serving
from imagebeam.modules.engines import load_engine
from imagebeam.modules.errors import reason_of
from imagebeam.modules.model_outputs import ModelOutputs
from imagebeam.modules.output_kinds import KINDS
from imagebeam.modules.types import ModuleInfo

ANSWER, FAILED = b"A", b"F"
"""The kinds of answers: the first byte."""


def serve(descriptor: str) -> None:
    """Serve the process at the other end of a socket until it is gone."""
    with serving(descriptor) as channel:
        try:
            module = json.loads(channel.receive(most=ANY_SIZE))
            info = ModuleInfo.from_json(module["info"])
            engine = load_engine(module["engine"], module["path"], info)
            channel.send(ANSWER)
            while True:
                pixels = np.frombuffer(channel.receive(most=ANY_SIZE), np.uint8)
                channel.send(ANSWER, *_packed(engine.run(pixels.reshape(-1, *info.image_size, 3))))
        except (EOFError, ConnectionError):
            raise
        # Engines raise the errors of their library: ValueError, RuntimeError, OpError.
        except Exception as error:
            channel.send(FAILED, f"{type(error).__name__}: {reason_of(error)}".encode())


def _packed(outputs: ModelOutputs) -> tuple[bytes, ...]:
    found = {name: getattr(outputs, name) for name in KINDS}
    heads = {name: values for name, values in found.items() if values is not None}
    header = json.dumps([(name, *values.shape) for name, values in heads.items()])
    data = (np.ascontiguousarray(values, np.float32).tobytes() for values in heads.values())
    return header.encode(), b"\n", *data
