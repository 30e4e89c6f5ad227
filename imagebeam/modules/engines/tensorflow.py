"""Run a SavedModel with TensorFlow: the reference, and for modules that LiteRT cannot run."""

import os
from contextlib import suppress
from pathlib import Path

import numpy as np

from imagebeam.modules.model_outputs import ModelOutputs
from imagebeam.modules.module_options import NO_OPTIONS, ModuleOptions
from imagebeam.modules.tensorflow.subprocess import require_tensorflow
from imagebeam.modules.types import FloatArray, Pixels

# Milliseconds per image of the 0.5/160 quantops module with both heads on one thread: 4.5 with
# batches of 1, 1.5 with 8, 1.15 with 16 and 32, 2.1 with 64.
_BATCH = 16


class TensorFlowEngine:
    """An engine over one SavedModel, frozen to a graph of constants where it can be.

    Freezing lets TensorFlow compute the common part of two heads once: 1.15 ms per image instead
    of 2.4.
    """

    def __init__(
        self, path: Path, threads: int | None = None, options: ModuleOptions = NO_OPTIONS
    ) -> None:
        require_tensorflow(str(path), "the engine 'tensorflow'")
        import tensorflow as tf

        if threads is not None and "TF_NUM_INTRAOP_THREADS" not in os.environ:
            # TensorFlow refuses once it runs: a pipeline that uses it itself keeps its setting.
            with suppress(RuntimeError):
                tf.config.threading.set_intra_op_parallelism_threads(threads)

        from imagebeam.modules.tensorflow.freezing import NotFreezableError, freeze
        from imagebeam.modules.tensorflow.saved_model import load_saved_model

        module = load_saved_model(path, options)
        self.info = module.info
        self._batch = module.heads.batch or _BATCH
        spec = tf.TensorSpec([self._batch, *module.info.image_size, 3], tf.uint8)
        self._heads = tuple(module.heads.by_kind)
        self._lengths = module.lengths
        self._to_tensor = tf.constant
        try:
            self._infer = freeze(module.heads.infer_pixels, spec)
        except NotFreezableError:
            # The traced function does not keep alive the variables that it reads.
            self._loaded = module.loaded
            self._infer = tf.function(module.heads.infer_pixels, input_signature=[spec])

    def run(self, pixels: Pixels) -> ModelOutputs:
        """Run the module on uint8 (N, height, width, 3) RGB pictures of its size; N may be 0."""
        values: dict[str, FloatArray] = {
            head: np.empty((len(pixels), self._lengths[head]), np.float32) for head in self._heads
        }
        for start in range(0, len(pixels), self._batch):
            part = pixels[start : start + self._batch]
            # Every batch size needs a traced graph of its own, so a shorter last part is padded.
            missing = self._batch - len(part)
            whole = np.pad(part, ((0, missing), (0, 0), (0, 0), (0, 0))) if missing else part
            for head, rows in self._infer(self._to_tensor(whole)).items():
                values[head][start : start + len(part)] = rows.numpy()[: len(part)]
        return ModelOutputs.from_heads(values, self.info.percent)
