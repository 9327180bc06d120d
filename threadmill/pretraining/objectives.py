"""What a pretraining objective is, and the registry of them.

`RecordsStage` does the same for all of them: it tokenises the corpora into one `TokenStore` a split; has the objective
``plan`` each part once (train: ``dupe_factor`` times), in rows that say which tokens go where; shuffles the rows on disk
by their keys (`RowSpool`); and has it ``encode`` each bucket of rows to TFRecord bytes. Both run on several threads at
once, so that an objective keeps no state between calls, and its loops are kernels that release the interpreter lock.

To add one: a config (`threadmill.pretraining.config.RecordsConfig`) in `CONFIGS`, an `Objective` in `OBJECTIVES`.
"""

import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from threadmill.datasets.manifest import Field
from threadmill.errors import InputError
from threadmill.pretraining.config import RecordsConfig
from threadmill.pretraining.spool import Rows
from threadmill.pretraining.store import StoredPart, TokenStore
from threadmill.vocab.vocabulary import Vocabulary


@dataclass(frozen=True)
class Encoded:
    """Records as they lie in a TFRecord file.

    Attributes:
        content: uint8, framed records end to end.
        keys: uint64[n], of each record: that of its row, or of the first of its rows.
        measured: sums over them for the manifest's statistics, such as "tokens".
    """

    content: npt.NDArray[np.uint8]
    keys: npt.NDArray[np.uint64]
    measured: Mapping[str, int] = field(default_factory=dict)

    @property
    def records(self) -> int:
        """n."""
        return len(self.keys)


class Objective(ABC):
    """One way to make records.

    Args:
        config: its settings.
        vocabulary: of the store's tokens.

    Attributes:
        columns: of a planned row, int64 each. Column 0, `spool.KEY`, is the row's key: 64 random bits (a uint64 seen as an
            int64) that depend on the key given to ``plan``, the document's number in its part and the row's in the document.
            It decides the row's shard and place, and seeds what ``encode`` draws. The rest is the objective's own matter.

    Raises:
        InputError: the vocabulary has no special tokens, or nothing but them.
    """

    columns: ClassVar[int]

    def __init__(self, config: Any, vocabulary: Vocabulary) -> None:
        self.config, self.vocabulary = config, vocabulary
        if not len(vocabulary.ordinary_ids):
            raise InputError(
                f"{vocabulary.uri or 'the vocabulary'} has {len(vocabulary)} entries, all of them special; "
                "make one with more entries"
            )

    @abstractmethod
    def schema(self) -> tuple[Field, ...]:
        """The features of a record, as ``int64[n]`` or ``float32[n]``."""

    @abstractmethod
    def bytes_per_token(self) -> float:
        """About how many bytes of records one pass makes of a token, before any compression: to choose the shards' number."""

    def dropped(self, store: TokenStore, part: StoredPart) -> Mapping[str, int]:
        """Reason -> documents of the part that ``plan`` makes nothing of; told by all but the store's ids and starts."""
        return {}

    def counts(self, store: TokenStore, part: StoredPart) -> Mapping[str, int]:
        """What is to be told of the part's documents beside the funnel: name -> a number."""
        return {}

    def warn(self, groups: int, split: str) -> None:
        """Warns of what makes the records of a split of so many groups worse than they should be; nothing as a rule."""
        return None

    @property
    def reads_other_parts(self) -> bool:
        """True where a part's rows may have tokens of any part of the split; `spans` and `moved` tell them then."""
        return False

    def spans(self, rows: Rows) -> npt.NDArray[np.int64]:
        """int64[m, 3]: the runs of tokens that ``encode`` copies for the rows, in their order, where these may be anywhere.

        Each is a sentence of the store, tokens to skip from its beginning, which may go beyond it, and a length in tokens.
        """
        raise NotImplementedError(f"{type(self).__name__} reads a part's own documents")

    def moved(self, rows: Rows) -> Rows:
        """The rows for a store in which the m spans of these rows are the sentences, in their order."""
        raise NotImplementedError(f"{type(self).__name__} reads a part's own documents")

    @abstractmethod
    def plan(self, store: TokenStore, part: StoredPart, key: np.uint64) -> Iterator[Rows]:
        """One pass over the documents of a part, as blocks of rows of bounded size, however large a document is.

        Reads all but the store's ids and starts; of other parts than this one only with `reads_other_parts`.

        Args:
            key: of the random stream of this part in this pass; a document's is ``combine(key, document - part.first)``.

        Yields:
            int64[n, columns], C-contiguous and not used again.
        """

    @abstractmethod
    def encode(self, store: TokenStore, rows: Rows) -> Iterator[Encoded]:
        """The records of a bucket of rows (a slice of a shard, all of it as a rule), a few thousand at a time.

        Args:
            rows: int64[n, columns] in the order of their keys, which records keep. n is bounded (a few hundred thousand).
        """


OBJECTIVES = {
    "bert": "threadmill.pretraining.bert:BertObjective",
    "roberta": "threadmill.pretraining.roberta:RobertaObjective",
    "seq2seq": "threadmill.pretraining.seq2seq:Seq2SeqObjective",
    "causal": "threadmill.pretraining.causal:CausalObjective",
}


def make_objective(config: RecordsConfig, vocabulary: Vocabulary) -> Objective:
    """The objective that ``config`` is the settings of."""
    objective: Objective = pkgutil.resolve_name(OBJECTIVES[config.objective])(config, vocabulary)
    return objective
