"""Plans the rows of parts of a store, and accounts for their documents: the same, whichever machine has the store."""

import math
from collections.abc import Sequence

from threadmill.datasets.counters import Counters
from threadmill.documents.sources import CONVERSATIONS_KIND
from threadmill.engine.ordered import map_in_order
from threadmill.pretraining.config import RecordsConfig
from threadmill.pretraining.objectives import Objective
from threadmill.pretraining.spool import RowSpool
from threadmill.pretraining.store import StoredPart, TokenStore
from threadmill.randomness import stream_key

_BUCKET_BYTES = 256 << 20  # of records; their rows are a tenth of it, and a thread holds those of one bucket


def passes_over(config: RecordsConfig, split: str) -> int:
    """Passes over each document of a split: only training documents get several."""
    return config.dupe_factor if split == "train" else 1


def buckets_of(size: float, shards: int) -> int:
    """Into how many buckets the rows of ``size`` bytes of records are sorted: a multiple of their shards."""
    return shards * max(1, math.ceil(size / shards / _BUCKET_BYTES))


def account(objective: Objective, store: TokenStore, parts: Sequence[StoredPart], counters: Counters) -> None:
    """Counts the documents of ``parts`` of which no row is made as dropped, and what else the objective tells of them."""
    for part in parts:
        for reason, count in objective.dropped(store, part).items():
            counters.kept -= count
            counters.drop(reason, count)
        for name, count in objective.counts(store, part).items():
            counters.extra[name] = counters.extra.get(name, 0) + count


def plan_rows(
    objective: Objective, store: TokenStore, parts: Sequence[StoredPart], passes: int, spool: RowSpool, workers: int = 1
) -> None:
    """Plans all passes over ``parts`` and adds the rows to ``spool``."""
    config: RecordsConfig = objective.config

    def plan(item: tuple[StoredPart, int]) -> None:
        part, passage = item
        key = stream_key(config.objective, config.random_seed, _stream_name(part), passage)
        for rows in objective.plan(store, part, key):
            spool.add(rows)
            store.has_read(len(rows))

    for _ in map_in_order(plan, ((part, passage) for part in parts for passage in range(passes)), workers):
        pass


def _stream_name(part: StoredPart) -> str:
    """What a part's random streams are keyed by: conversations of any format give the same records."""
    return part.name.rsplit(".", 1)[0] if part.kind == CONVERSATIONS_KIND else part.name
