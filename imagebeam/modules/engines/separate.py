"""Run a module in a process of its own, for commands that run one outside of a job.

A module may crash, or run for ever on some pictures. Then the command ends with a message.
"""

import json
from tempfile import TemporaryDirectory

import numpy as np

from imagebeam.modules.engines.separate_child import ANSWER
from imagebeam.modules.errors import ModuleError
from imagebeam.modules.model_outputs import ModelOutputs
from imagebeam.modules.tensorflow.subprocess import SECONDS_VARIABLE, deadline
from imagebeam.modules.types import TENSORFLOW, FloatArray, Pixels, StagedModule
from imagebeam.service_process import ServiceProcess

_TARGET = "imagebeam.modules.engines.separate_child:serve"


class SeparateEngine:
    """An engine in another process, which ends with `close` or with this process."""

    def __init__(self, module: StagedModule, seconds: float | None = None) -> None:
        """Load a module that `open_module` has prepared.

        Args:
            seconds: the time limit for each answer; None for the deadline of TensorFlow's
                processes.

        Raises:
            ModuleError: it cannot be loaded, see `load_engine`, or not in time.
        """
        self._source = repr(str(module.path))
        self._is_program = module.engine == TENSORFLOW
        self._seconds = deadline() if seconds is None else seconds
        # TensorFlow keeps code that it generates in files, and would remove them at its own end.
        self._scratch = TemporaryDirectory(prefix="imagebeam-", ignore_cleanup_errors=True)
        variables = {"TF_CPP_MIN_LOG_LEVEL": "3", "TMPDIR": self._scratch.name}
        self._process = ServiceProcess(_TARGET, variables=variables)
        request = {"engine": module.engine, "path": str(module.path), "info": module.info.to_json()}
        self._answer(json.dumps(request).encode())

    def run(self, pixels: Pixels) -> ModelOutputs:
        """Run the module on uint8 (N, height, width, 3) RGB pictures of its size; N may be 0.

        Raises:
            ModuleError: it fails, ends its process, or does not answer in time.
        """
        message = self._answer(np.ascontiguousarray(pixels).tobytes())
        header, _, values = bytes(message).partition(b"\n")
        heads: dict[str, FloatArray] = {}
        start = 0
        for name, rows, length in json.loads(header):
            flat = np.frombuffer(values, np.float32, rows * length, start)
            heads[name] = flat.reshape(rows, length)
            start += flat.nbytes
        return ModelOutputs(**heads)

    def close(self) -> None:
        """End the process."""
        self._process.end()
        self._scratch.cleanup()

    def _answer(self, request: bytes) -> memoryview:
        channel = self._process.channel
        try:
            channel.send(request, seconds=self._seconds)
            message = channel.receive(self._seconds)
        except TimeoutError:
            self.close()
            raise ModuleError(self._too_slow()) from None
        except (OSError, EOFError, ValueError) as error:
            how = self._process.ending()
            self.close()
            raise ModuleError(
                f"{self._source}: the process that runs it ended with {how}. Check free memory; "
                "if there is enough, the module is damaged or hostile: give another one."
            ) from error
        if message[:1] != ANSWER:
            self.close()
            text = message[1:].decode(errors="replace")
            raise ModuleError(f"{self._source}: it cannot be run ({text}). Give another module.")
        return memoryview(message)[1:]

    def _too_slow(self) -> str:
        cure = (
            "A SavedModel is a program and may run for ever: if you do not trust this one, use a "
            ".tflite module with --engine litert. If it is only large"
            if self._is_program
            else "It may run for ever: then give another module. If it is only slow"
        )
        return (
            f"{self._source}: no answer within {self._seconds:g} s. {cure}, allow more time with "
            f"{SECONDS_VARIABLE}=SECONDS."
        )
