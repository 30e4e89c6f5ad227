"""Scalars that TensorBoard reads, written without TensorBoard, which TensorFlow does not bring."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import tensorflow as tf

_SCALAR = tf.compat.v1.SummaryMetadata(
    plugin_data=tf.compat.v1.SummaryMetadata.PluginData(plugin_name="scalars"), data_class=1
)


class ScalarWriter:
    """Appends scalars to an event file in `folder`; without a folder, drops them."""

    def __init__(self, folder: Path | None) -> None:
        self._writer = tf.summary.create_file_writer(str(folder)) if folder else None

    def write(self, step: int, scalars: Mapping[str, float]) -> None:
        """Record `scalars` by name and put them on disk."""
        if not self._writer:
            return
        with self._writer.as_default():
            for name, value in scalars.items():
                tf.summary.write(name, tf.constant(value, tf.float32), step, metadata=_SCALAR)
        self._writer.flush()
