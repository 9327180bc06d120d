"""The registry of pretraining objectives: what turns documents into instances."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from threadmill.datasets.manifest import Field
from threadmill.pretraining.bert import bert_schema, bert_tables, measure_bert
from threadmill.pretraining.config import BertConfig


@dataclass(frozen=True)
class Objective:
    """One way to make instances.

    Attributes:
        config: the class of its settings; its field ``objective`` names this entry.
        schema: config -> the features of a record.
        tables: (documents, vocabulary, config, key, pass) -> the instances of one pass over the documents.
        measure: a table -> sums for the manifest's statistics.
    """

    config: type[Any]
    schema: Callable[[Any], tuple[Field, ...]]
    tables: Callable[..., Iterator[pa.Table]]
    measure: Callable[[pa.Table], dict[str, int]]


OBJECTIVES = {"bert": Objective(BertConfig, bert_schema, bert_tables, measure_bert)}
