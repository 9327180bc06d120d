"""Reads TensorBoard's event files as TensorBoard does."""

from pathlib import Path

import tensorflow as tf
from tensorflow.core.util import event_pb2


def read_curves(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Step and value of each point by the names of the curves: files by name, a start forgets all from its step on."""
    curves: dict[str, list[tuple[int, float]]] = {}
    for path in sorted(folder.iterdir()):
        for record in tf.data.TFRecordDataset(str(path)):
            event = event_pb2.Event.FromString(record.numpy())
            if event.session_log.status == event_pb2.SessionLog.START:
                curves = {name: [(s, v) for s, v in points if s < event.step] for name, points in curves.items()}
            for value in event.summary.value:
                assert value.metadata.plugin_data.plugin_name == "scalars"
                curves.setdefault(value.tag, []).append((event.step, float(tf.make_ndarray(value.tensor))))
    return curves
