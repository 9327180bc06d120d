"""The stage evaluate: a model and held-out records to its scores."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Self

import orjson

from threadmill.datasets import storage
from threadmill.datasets.counters import Counters
from threadmill.datasets.dataset import Dataset
from threadmill.datasets.manifest import Field
from threadmill.engine.phases import Phase, StageRun
from threadmill.engine.run import run_stage
from threadmill.engine.stage import MapStage, Plan, Task, TaskOutput, TaskResult
from threadmill.errors import InputError
from threadmill.training.config import EvaluationConfig
from threadmill.training.finished_model import open_finished
from threadmill.training.inputs.masking import MASKING_NAME, MaskingRules, decode_rules
from threadmill.training.inputs.records import (
    check_vocabulary,
    held_out_split,
    open_records,
    record_files,
    record_format,
)
from threadmill.training.models.presets import check_model
from threadmill.training.outputs import local_file, working_folder, write
from threadmill.training.processes.launch import run_child
from threadmill.training.processes.spec import EvaluatorSpec
from threadmill.training.remote.phase import AcceleratorPhase
from threadmill.training.runs.workspace import EVALUATION_NAME, MODEL_NAME, Workspace
from threadmill.training.stage import TRAIN_SPLIT

EVALUATE = "evaluate"
EVALUATION_FOLDER = "evaluation"  # in the model's, where none is named

_MODEL_FOLDER = "model"  # of the working files: a copy, where the model is in a bucket


class EvaluationStage(MapStage):
    """Scores a model on a held-out split, in a process of its own: ``evaluation.json``.

    Losses are in nats, perplexities are e to their power, and beside the model's numbers stand a baseline's:

    - ``masked_loss``, ``masked_perplexity``, ``masked_accuracy`` of the masked tokens (bert, roberta), ``response_...`` of
      the responses' tokens (seq2seq) or ``token_...`` of all tokens that follow another (causal), beside ``unigram_loss``,
      ``unigram_perplexity`` and ``unigram_accuracy``, of a model that knows how often each token is to be told in the train
      split; ``masked_tokens``, ``response_tokens`` or ``tokens`` is how many they are means over, and ``sequences`` the
      records.
    - ``next_sentence_loss`` and ``next_sentence_accuracy`` beside ``majority_accuracy``, where model and records have a next
      sentence to tell.
    - ``ranking_accuracy`` of responses among ``ranking_candidates`` for ``ranking_contexts``, beside ``ranking_chance``, of
      a conversational model; see `threadmill.training.evaluation.ranking`.

    Records without masks get the same ones in each evaluation. The funnel counts the split's records.
    """

    name = EVALUATE
    version = 3
    unit = "records"

    def __init__(self, model_uri: str, records_uri: str, config: EvaluationConfig | None = None) -> None:
        self.model_uri, self.records_uri = model_uri, records_uri
        self.config = config or EvaluationConfig()

    def phases(self, run: StageRun) -> Sequence[Phase]:
        """One, where the site evaluates elsewhere."""
        return () if run.site.trainer == "local" else (AcceleratorPhase(self, run),)

    @property
    def backend(self) -> str:
        """The library that the model was trained with, and is evaluated with."""
        return str(open_finished(self.model_uri).described["training"]["backend"])

    def arguments(self) -> dict[str, Any]:
        """What the stage was made from, for an accelerator's host."""
        uris = {"model_uri": self.model_uri, "records_uri": self.records_uri}
        return {**{name: storage.absolute(uri) for name, uri in uris.items()}, "config": asdict(self.config)}

    @classmethod
    def from_arguments(cls, arguments: Mapping[str, Any]) -> Self:
        """The stage that `arguments` tells of."""
        return cls(arguments["model_uri"], arguments["records_uri"], EvaluationConfig(**arguments["config"]))

    def plan(self) -> Plan:
        """One task.

        Raises:
            InputError: no model, no such split, or records that do not fit the model.
        """
        model, records, _ = self._inputs()
        record_files(records, held_out_split(records, self.config.split))
        partial = model.manifest.partial or records.manifest.partial
        return Plan(
            (model.as_input(), records.as_input()), (Task(EVALUATE),), (Field(EVALUATION_NAME, "application/json"),), partial
        )

    def process(self, task: Task, output: TaskOutput) -> TaskResult:
        """Evaluates, and takes over the result."""
        _, records, described = self._inputs()
        held_out = record_files(records, held_out_split(records, self.config.split))
        workspace = Workspace(working_folder(output.uri))
        spec = EvaluatorSpec(
            folder=workspace.folder,
            model=local_file(storage.join(self.model_uri, MODEL_NAME), os.path.join(workspace.folder, _MODEL_FOLDER)),
            held_out=held_out,
            train=record_files(records, TRAIN_SPLIT),
            vocabulary_size=described["vocabulary_size"],
            backend=described["training"]["backend"],
            config=self.config,
            masking=self._masking(records) if held_out.format.masked and not held_out.format.static_masks else None,
            parent=os.getpid(),
        )
        run_child("threadmill.training.processes.evaluator", spec, workspace.folder, stage=EVALUATE, unit="sequences")
        content = storage.read_bytes(os.path.join(workspace.export, EVALUATION_NAME))
        write(output, EVALUATION_NAME, content)
        for folder in (workspace.export, os.path.join(workspace.folder, _MODEL_FOLDER)):
            storage.remove_tree(folder)
        scores = orjson.loads(content)
        counters = Counters(read=held_out.records, kept=scores["sequences"], written=1)
        counters.drop("beyond_max_sequences", held_out.records - scores["sequences"])
        return output.result(task, counters, scores)

    def statistics(self, parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """The scores."""
        return dict(parts[0])

    def _masking(self, records: Dataset) -> MaskingRules:
        path = storage.join(self.model_uri, MASKING_NAME)
        if not storage.exists(path):
            raise InputError(
                f"the records at {records.uri} hold no masks, and the model at {self.model_uri} was trained on some that do "
                f"(it has no {MASKING_NAME}); evaluate it on records with static masks"
            )
        return decode_rules(storage.read_bytes(path))

    def _inputs(self) -> tuple[Dataset, Dataset, Mapping[str, Any]]:
        model, records = open_finished(self.model_uri), open_records(self.records_uri)
        described = model.described
        check_vocabulary(records, described["vocabulary_digest"], f"the model at {self.model_uri}")
        form = record_format(records)
        check_model(described["model"], form.objective, form.max_seq_length, form.max_target_length)
        if form.max_seq_length > described["max_seq_length"]:
            raise InputError(
                f"the records at {self.records_uri} have {form.max_seq_length} tokens, and the model takes "
                f"{described['max_seq_length']} at most; make records of that max_seq_length"
            )
        return model.dataset, records, described


def run_evaluation(
    model_uri: str,
    records_uri: str,
    output_uri: str = "",
    config: EvaluationConfig | None = None,
    *,
    allow_partial: bool = False,
) -> dict[str, float | int]:
    """Evaluates a model and returns its scores.

    Args:
        output_uri: where the evaluation dataset goes; by default ``evaluation`` in the model's folder.

    Raises:
        ThreadmillError: see `EvaluationStage`.
    """
    output_uri = output_uri or storage.join(model_uri, EVALUATION_FOLDER)
    run_stage(EvaluationStage(model_uri, records_uri, config), output_uri, allow_partial=allow_partial)
    scores: dict[str, float | int] = orjson.loads(storage.read_bytes(storage.join(output_uri, EVALUATION_NAME)))
    return scores
