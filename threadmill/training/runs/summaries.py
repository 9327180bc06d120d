"""Scalars in TensorBoard's event files, by TensorFlow alone: TensorBoard itself need not be installed."""

import os
import socket
import time
from collections.abc import Mapping
from typing import Any

import tensorflow as tf
from tensorflow.core.framework import summary_pb2
from tensorflow.core.util import event_pb2


class Summaries:
    """Writes scalars into a new event file in ``folder``.

    Args:
        start: the step that the run goes on from. TensorBoard is told to forget what earlier files show beyond it, so that
            a curve has each step once.
    """

    def __init__(self, folder: str, start: int = 0) -> None:
        os.makedirs(folder, exist_ok=True)
        # TensorBoard reads the files of a folder in the order of their names.
        name = f"events.out.tfevents.{time.time():017.6f}.{socket.gethostname()}.{os.getpid()}"
        self._writer = tf.io.TFRecordWriter(os.path.join(folder, name))
        # What tf.summary.scalar adds, which TensorFlow takes from TensorBoard's package.
        plugin = summary_pb2.SummaryMetadata.PluginData(plugin_name="scalars")
        self._metadata: Any = summary_pb2.SummaryMetadata(plugin_data=plugin, data_class=summary_pb2.DATA_CLASS_SCALAR)
        self._write(file_version="brain.Event:2")
        # https://github.com/tensorflow/tensorboard, event_processing/plugin_event_accumulator.py: a start purges.
        self._write(step=start + 1, session_log=event_pb2.SessionLog(status=event_pb2.SessionLog.START))
        self.flush()

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """Adds a point to the curve of each name."""
        summary = summary_pb2.Summary()
        for name, value in values.items():
            summary.value.add(tag=name, metadata=self._metadata, tensor=tf.make_tensor_proto(value, tf.float32))
        self._write(step=step, summary=summary)

    def flush(self) -> None:
        """Hands what was added to the system."""
        self._writer.flush()

    def _write(self, **fields: Any) -> None:
        event: Any = event_pb2.Event(wall_time=time.time(), **fields)
        self._writer.write(event.SerializeToString())
