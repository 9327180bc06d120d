"""What a run is going to do, as far as its costs depend on it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from threadmill.pretraining.config import RecordsConfig
from threadmill.pricing.lines import DRY_RUN
from threadmill.pricing.volumes import NOTHING, Volume
from threadmill.training.config import EvaluationConfig, TrainingConfig


@dataclass(frozen=True)
class RunPlan:
    """One run of a DAG.

    Attributes:
        name: for people, such as "reddit_refresh 2015-05".
        records, training, evaluation: the stages' settings.
        vocabulary_size: tokens.
        comments: of the run's month or months; none for a corpus of text.
        lookback: comments of earlier months, which the threads are made with.
        text: bytes, of a corpus of text.
        sources: dumps or tables that are read.
        from_tables: the comments come from tables of a warehouse, not from dumps.
        deduplication: none, exact or near.
        query_bytes: bytes that BigQuery said it would process, by the stage.
    """

    name: str
    records: RecordsConfig
    training: TrainingConfig
    evaluation: EvaluationConfig
    vocabulary_size: int
    comments: Volume = NOTHING
    lookback: Volume = NOTHING
    text: Volume = NOTHING
    sources: int = 1
    from_tables: bool = False
    deduplication: str = "exact"
    query_bytes: Mapping[str, int] = field(default_factory=dict)

    def asked(self, stage: str, computed: float, known: str) -> tuple[float, str]:
        """Bytes that a stage's queries process: as BigQuery said, or as computed."""
        return (self.query_bytes[stage], DRY_RUN) if stage in self.query_bytes else (computed, known)
