"""The records stage by machines that share nothing but a store: tokens, encoded records by their keys, shards merged from them.

A portion of the corpus is a task of the first two phases. Where no row has tokens of another portion's documents, the first
is left out, and a portion is tokenised where its records are made. The phases' datasets are as large as the tokens (2 bytes
each) and as the records in Zstandard's first level; they go when the shards are done.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from threadmill.cloud.work import Waiting
from threadmill.datasets.manifest import read_manifest
from threadmill.documents.sources import Corpora
from threadmill.engine.phases import Phase, StagePhase, StageRun, TasksPhase
from threadmill.pretraining.encoding_stage import EncodingStage
from threadmill.pretraining.merging_stage import MergingStage
from threadmill.pretraining.objectives import Objective
from threadmill.pretraining.planning import passes_over
from threadmill.pretraining.portions import Portion, cut_portions
from threadmill.pretraining.scratch import remove_shared, shared_base
from threadmill.pretraining.tokens_stage import TokensStage

_TOKENS_SUFFIX, _ENCODED_SUFFIX = "tokens", "records.zst"


def records_phases(run: StageRun, corpora: Corpora, objective: Objective, sections: Mapping[str, int]) -> tuple[Phase, ...]:
    """The phases that see to all tasks of the records stage.

    Args:
        corpora, objective: as the stage's plan opened them.
        sections: of each split: a multiple of its shards.
    """
    config, vocabulary, inputs = objective.config, objective.vocabulary, run.plan.inputs

    def portions(suffix: str) -> list[Portion]:
        return [
            portion for split in corpora.splits() for portion in cut_portions(corpora, split, passes_over(config, split), suffix)
        ]

    phases, tokens_uri = list[Phase](), ""
    if objective.reads_other_parts:
        tokens_uri = run.between("tokens")
        tokens = TokensStage(portions(_TOKENS_SUFFIX), vocabulary, inputs, config)
        phases.append(_TokensPhase(tokens, tokens_uri, run.site, objective))
    encoded_uri = run.between("encoded")
    encoding = EncodingStage(portions(_ENCODED_SUFFIX), sections, vocabulary, inputs, config, tokens_uri)
    merging = MergingStage(run.plan, encoded_uri, dict(sections), config)
    return (*phases, StagePhase(encoding, encoded_uri, run.site), TasksPhase(merging, run.plan.tasks, run))


@dataclass(frozen=True)
class _TokensPhase(StagePhase):
    """The tokens' dataset, and the objective's warnings of what is in it."""

    objective: Objective

    def steps(self) -> Iterator[Waiting]:
        """Makes the dataset, or finds it."""
        yield from super().steps()
        groups: dict[str, int] = {}
        for portion in read_manifest(self.uri).statistics["portions"]:
            groups[portion["split"]] = groups.get(portion["split"], 0) + portion["groups"]
        for split, count in groups.items():
            self.objective.warn(count, split)

    def clean_up(self) -> None:
        """Removes the dataset, and what this machine has of it."""
        super().clean_up()
        remove_shared(shared_base(self.uri))
