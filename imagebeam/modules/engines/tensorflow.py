"""Runs a SavedModel with TensorFlow: the reference, and for what LiteRT cannot hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from imagebeam.modules.engines.softmax import softmax
from imagebeam.modules.tensorflow.subprocess import require_tensorflow
from imagebeam.modules.types import FEATURES, LOGITS, SCORES, FloatArray, ModelOutputs, Pixels

# Measured for the 0.5/160 quantops module with both heads, one thread: 4.5 ms an image one by
# one, 1.5 by 8, 1.15 by 16 and by 32, 2.1 by 64.
_BATCH = 16


class TensorFlowEngine:
    """An engine over one SavedModel, frozen to a graph of constants where it can be.

    Freezing lets TensorFlow share what two heads have in common: 1.15 ms an image instead of 2.4.
    """

    def __init__(self, path: Path) -> None:
        require_tensorflow(str(path), "the engine 'tensorflow'")
        import tensorflow as tf

        from imagebeam.modules.saved_model import load_saved_model
        from imagebeam.modules.tensorflow.freezing import NotFreezableError, freeze

        module = load_saved_model(path)
        self.info = module.info
        self._batch = module.heads.batch or _BATCH
        spec = tf.TensorSpec([self._batch, *module.info.image_size, 3], tf.uint8)
        self._heads = tuple(module.heads.by_kind)
        self._to_tensor = tf.constant
        try:
            self._answer = freeze(module.heads.answer_pixels, spec)
        except NotFreezableError:
            # The traced function does not keep what it reads alive.
            self._loaded = module.loaded
            self._answer = tf.function(module.heads.answer_pixels, input_signature=[spec])

    def run(self, pixels: Pixels) -> ModelOutputs:
        """Run the module on uint8 (N, height, width, 3) RGB pictures of its size; N may be 0."""
        values: dict[str, FloatArray] = {
            head: np.empty((len(pixels), self.info.length(head)), np.float32)
            for head in self._heads
        }
        for start in range(0, len(pixels), self._batch):
            part = pixels[start : start + self._batch]
            # One batch size is one traced graph, so a last, shorter part is filled up.
            missing = self._batch - len(part)
            whole = np.pad(part, ((0, missing), (0, 0), (0, 0), (0, 0))) if missing else part
            for head, rows in self._answer(self._to_tensor(whole)).items():
                values[head][start : start + len(part)] = rows.numpy()[: len(part)]
        logits = values.get(LOGITS)
        scores = values.get(SCORES) if logits is None else softmax(logits)
        return ModelOutputs(logits=logits, scores=scores, features=values.get(FEATURES))
