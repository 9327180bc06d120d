"""What a layout consists of besides the tokenizer and the model card."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from threadmill.training.export.huggingface.weights import Tensors

Json = Mapping[str, Any]


@dataclass(frozen=True)
class TokenIds:
    """The ids of special tokens: padding, the beginning, and the separator that also ends a response."""

    pad: int
    cls: int
    sep: int


@dataclass(frozen=True)
class Layout:
    """A model as one of transformers' classes has it.

    Attributes:
        model_class: the class, also config.json's ``architectures``.
        config: config.json.
        tensors: model.safetensors.
        task: the hub's name of what it does (``pipeline_tag``).
        generation: generation_config.json; empty for none.
    """

    model_class: str
    config: Json
    tensors: Tensors
    task: str
    generation: Json = field(default_factory=dict)
