"""Scalars in TensorBoard's event files, by TensorFlow alone: TensorBoard itself need not be installed."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf
from tensorflow.core.framework import summary_pb2


class Summaries:
    """Writes scalars into a new event file in ``folder``."""

    def __init__(self, folder: str) -> None:
        self._writer = tf.summary.create_file_writer(folder)
        # What tf.summary.scalar adds, which TensorFlow takes from TensorBoard's package.
        plugin = summary_pb2.SummaryMetadata.PluginData(plugin_name="scalars")
        self._metadata: Any = summary_pb2.SummaryMetadata(plugin_data=plugin, data_class=summary_pb2.DATA_CLASS_SCALAR)

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """Adds a point to the curve of each name."""
        with self._writer.as_default():
            for name, value in values.items():
                tf.summary.write(name, tf.constant(value, tf.float32), step=step, metadata=self._metadata)

    def flush(self) -> None:
        """Hands what was added to the system."""
        self._writer.flush()
