"""Warm start: a new run begins with initial weights, whatever data and objective they were trained on."""

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from threadmill.training.initial_weights import (
    InitialWeights,
    check_facts,
    find_weights,
    read_source,
    refuse,
    weight_name,
)

log = logging.getLogger(__name__)

# Parts of a model that belong to an objective, by the first component of their variables' paths: where only the weights or
# only the model has one, that is no reason to refuse. BERT's pooler serves its next sentence head alone.
HEADS = ("masked_lm", "next_sentence", "pooled_dense", "response", "next_token")

_POSITIONS = "position_embedding"
_TOKENS = "token_embedding/embeddings"
_LAYER = re.compile(r"(.*layer)_\d+")
_NAMED = 5  # variables that an error names

Shape = tuple[int, ...]
Shapes = Mapping[str, Shape]


@dataclass(frozen=True)
class Report:
    """What became of the initial weights. Variables are named by their paths.

    Attributes:
        source: the URI of the Keras file or checkpoint.
        taken: how many variables of the model were set.
        cut: position embeddings of another length, of which the first rows that both have were taken: the weights' rows, the
            model's rows.
        random: variables of the model that the weights do not have; they stay as they were.
        unused: weights that the model does not have.
    """

    source: str
    taken: int
    cut: Mapping[str, tuple[int, int]]
    random: tuple[str, ...]
    unused: tuple[str, ...]

    def __str__(self) -> str:
        parts = [f"{self.taken} variables begin with the weights at {self.source}"]
        parts += [f"{path} with the first {min(rows)} rows of {rows[0]}, of its own {rows[1]}" for path, rows in self.cut.items()]
        parts += [f"not in the weights, so random: {', '.join(self.random)}"] if self.random else []
        parts += [f"not in the model, so unused: {', '.join(self.unused)}"] if self.unused else []
        return "; ".join(parts)


def warm_start(model: Any, uri: str, expected: Mapping[str, Any]) -> Report:
    """Checks and reads the weights at ``uri``, sets the model to them, and logs what became of them.

    Args:
        model: a Keras model, on whatever backend.
        uri: see `threadmill.training.initial_weights.find_weights`.
        expected: the model's facts, see `threadmill.training.initial_weights.model_facts`.

    Raises:
        ConfigError: the weights are of another architecture, vocabulary or size.
        InputError: there are no weights, or they are damaged.
    """
    source = find_weights(uri)
    check_facts(source, expected)
    report = initialise(model, read_source(source))
    log.info("Warm start: %s", report)
    return report


def initialise(model: Any, initial: InitialWeights) -> Report:
    """Sets the weights of a Keras model, its random states apart, to those of ``initial`` that have the same name and shape.

    Heads (`HEADS`) that only one of them has are left out, and of position embeddings of another length the first rows
    that both have are taken. Nothing is set where anything else differs.

    Raises:
        ConfigError: it does; the message says in what.
    """
    variables = {weight_name(variable.path): variable for variable in model.weights}
    shapes = {name: tuple(variable.shape) for name, variable in variables.items()}
    before: Shapes = {name: tuple(values.shape) for name, values in initial.weights.items()}
    cut = {name: (before[name][0], shape[0]) for name, shape in shapes.items() if _is_cut(name, before.get(name), shape)}
    refuse(initial.source, _size_differences(before, shapes) or _differences(before, shapes, cut))
    taken = [name for name in variables if name in before]
    for name in taken:
        values, variable = initial.weights[name], variables[name]
        variable.assign(_first_rows(values, variable, min(cut[name])) if name in cut else values)
    random, unused = (tuple(name for name in one if name not in other) for one, other in ((shapes, before), (before, shapes)))
    return Report(initial.source.uri, len(taken), cut, random, unused)


def _is_cut(name: str, before: Shape | None, shape: Shape) -> bool:
    """Whether these are position embeddings that differ in their number only."""
    positions = any(component.endswith(_POSITIONS) for component in name.split("/")) and _TOKENS not in name
    return before is not None and positions and before != shape and before[1:] == shape[1:]


def _first_rows(values: Any, variable: Any, rows: int) -> Any:
    import keras

    fitted = keras.ops.convert_to_numpy(variable.value).copy()
    fitted[:rows] = values[:rows]
    return fitted


def _size_differences(before: Shapes, shapes: Shapes) -> dict[str, tuple[Any, Any]]:
    """The sizes, as config.json names them, in which two sets of variables differ."""
    was, now = _sizes(before), _sizes(shapes)
    return {name: (was.get(name, 0), now.get(name, 0)) for name in {**was, **now} if was.get(name) != now.get(name)}


def _sizes(shapes: Shapes) -> dict[str, int]:
    sizes = {}
    for name, shape in shapes.items():
        if name.endswith(_TOKENS):
            sizes["vocabulary_size"], sizes["hidden_dim"] = shape
    layers = {root for name in shapes if _LAYER.fullmatch(root := name.split("/")[0])}
    for layer in sorted(layers):
        kind = f"number of {layer.rsplit('_', 1)[0]}s"
        sizes[kind] = sizes.get(kind, 0) + 1
    return sizes


def _differences(before: Shapes, shapes: Shapes, cut: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """The first variables, heads apart, that one of the two lacks, or that differ in shape."""
    names = [name for name in {**before, **shapes} if before.get(name) != shapes.get(name) and name not in cut]
    differing = [name for name in names if (name in before and name in shapes) or name.split("/")[0] not in HEADS]
    return {name: (_in_words(before.get(name)), _in_words(shapes.get(name))) for name in differing[:_NAMED]}


def _in_words(shape: Shape | None) -> str:
    return "absent" if shape is None else " x ".join(map(str, shape))
