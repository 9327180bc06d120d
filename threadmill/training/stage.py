"""The stages train (records and a vocabulary to a model) and evaluate (a model and records to its scores)."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import orjson

from threadmill.datasets import storage
from threadmill.datasets.counters import Counters
from threadmill.datasets.dataset import Dataset
from threadmill.datasets.manifest import Field, Manifest
from threadmill.engine.run import run_stage
from threadmill.engine.stage import MapStage, Plan, Task, TaskOutput, TaskResult
from threadmill.errors import ConfigError, InputError
from threadmill.training.config import CheckpointConfig, EvaluationConfig, TrainingConfig
from threadmill.training.inputs.masking import MASKING_NAME, MaskingRules, decode_rules, encode_rules, masking_rules
from threadmill.training.inputs.records import (
    check_vocabulary,
    held_out_split,
    open_records,
    record_files,
    record_format,
)
from threadmill.training.inputs.vocabulary import VocabularyFiles, open_vocabulary
from threadmill.training.models.presets import PRESETS, check_model
from threadmill.training.processes.launch import run_child
from threadmill.training.processes.spec import EvaluatorSpec, TrainerSpec
from threadmill.training.runs.losses import LOSSES_NAME
from threadmill.training.runs.workspace import EVALUATION_NAME, MODEL_NAME, Workspace

TRAIN, EVALUATE = "train", "evaluate"
CONFIG_NAME = "config.json"

_TRAIN_SPLIT = "train"


class TrainingStage(MapStage):
    """Trains a model in a process of its own, which TensorFlow and its memory leave with it.

    The dataset holds ``model.keras``, ``config.json`` (sizes, settings, digests), ``losses.jsonl`` (a line a step), the
    vocabulary's files, and where training masked the records ``masking.json``, by which they are evaluated. Beside these,
    outside the manifest, lie the working files: ``checkpoints/``, from which a run that was stopped goes on exactly,
    ``tensorboard/``, ``status.json`` and ``train.log``.

    The funnel counts the train split's records; those that the steps do not get to are dropped as ``not_reached``.
    """

    name = TRAIN
    version = 2
    unit = "records"

    def __init__(
        self,
        records_uri: str,
        vocabulary_uri: str,
        config: TrainingConfig | None = None,
        checkpoints: CheckpointConfig | None = None,
    ) -> None:
        self.records_uri, self.vocabulary_uri = records_uri, vocabulary_uri
        self.config = config or TrainingConfig()
        self._checkpoints = checkpoints or CheckpointConfig()

    def plan(self) -> Plan:
        """One task.

        Raises:
            ConfigError: the model does not learn the records' objective, or takes shorter ones only.
            InputError: a shard is missing, there is no train split, or the records were made with another vocabulary.
        """
        records, vocabulary = self._inputs()
        record_files(records, _TRAIN_SPLIT)
        partial = records.manifest.partial or vocabulary.partial
        return Plan((records.as_input(), vocabulary.entry), (Task(TRAIN),), (Field(MODEL_NAME, "application/x-keras"),), partial)

    def process(self, task: Task, output: TaskOutput) -> TaskResult:
        """Trains, or goes on training, in the dataset's folder, and takes over what came of it."""
        records, vocabulary = self._inputs()
        files = record_files(records, _TRAIN_SPLIT)
        workspace = Workspace(_local_folder(output.uri))
        spec = TrainerSpec(
            folder=workspace.folder,
            records=files,
            vocabulary_size=len(vocabulary),
            config=self.config,
            checkpoints=self._checkpoints,
            masking=None if files.format.static_masks else masking_rules(records, self.vocabulary_uri),
            identity=self._identity(records, vocabulary),
            parent=os.getpid(),
        )
        run_child("threadmill.training.processes.trainer", spec, workspace.folder, stage=TRAIN, unit="sequences")
        losses = storage.read_bytes(workspace.losses)
        _write_file(output, MODEL_NAME, os.path.join(workspace.export, MODEL_NAME))
        _write(output, CONFIG_NAME, _pretty(self._described(spec)))
        _write(output, LOSSES_NAME, losses, records=losses.count(b"\n"))
        for name, content in vocabulary.files.items():
            _write(output, name, content)
        if spec.masking:
            _write(output, MASKING_NAME, encode_rules(spec.masking))
        storage.remove_tree(workspace.export)
        return output.result(task, self._counters(files.records), _last_losses(losses))

    def statistics(self, parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """The losses of the last step."""
        return dict(parts[0])

    def _inputs(self) -> tuple[Dataset, VocabularyFiles]:
        records, vocabulary = open_records(self.records_uri), open_vocabulary(self.vocabulary_uri)
        check_vocabulary(records, vocabulary.entry.digest, self.vocabulary_uri)
        form = record_format(records)
        check_model(self.config.model, form.objective, form.max_seq_length)
        return records, vocabulary

    def _identity(self, records: Dataset, vocabulary: VocabularyFiles) -> dict[str, Any]:
        digests = {"records": records.manifest.digest, "vocabulary": vocabulary.entry.digest}
        return {**asdict(self.config), "version": self.version, **digests}

    def _described(self, spec: TrainerSpec) -> dict[str, Any]:
        preset, form = PRESETS[self.config.model], spec.records.format
        return {
            "model": self.config.model,
            "architecture": preset.architecture,
            "num_layers": preset.num_layers,
            "hidden_dim": preset.hidden_dim,
            "num_heads": preset.num_heads,
            "intermediate_dim": preset.intermediate_dim,
            "vocabulary_size": spec.vocabulary_size,
            "objective": form.objective,
            "next_sentence": form.next_sentence,
            "max_seq_length": form.max_seq_length,
            "max_predictions_per_seq": form.max_predictions_per_seq,
            "parameters": preset.parameters(spec.vocabulary_size, form.max_seq_length, next_sentence=form.next_sentence),
            "vocabulary_digest": spec.identity["vocabulary"],
            "records_digest": spec.identity["records"],
            "training": {
                **asdict(self.config),
                "learning_rate": self.config.peak_learning_rate,
                "warmup_steps": self.config.warmup,
            },
        }

    def _counters(self, records: int) -> Counters:
        sequences = self.config.steps * self.config.batch_size
        counters = Counters(read=records, kept=min(records, sequences), written=1, extra={"sequences": sequences})
        counters.drop("not_reached", records - counters.kept)
        return counters


class EvaluationStage(MapStage):
    """Scores a model on a held-out split, in a process of its own: ``evaluation.json``.

    Its numbers: masked_loss, masked_perplexity and masked_accuracy beside unigram_loss, unigram_perplexity and
    unigram_accuracy; next_sentence_loss and next_sentence_accuracy beside majority_accuracy, where model and records have
    a next sentence to tell; masked_tokens, sequences. Losses are in nats. Records without masks get the same ones in each
    evaluation. The funnel counts the split's records.
    """

    name = EVALUATE
    version = 2
    unit = "records"

    def __init__(self, model_uri: str, records_uri: str, config: EvaluationConfig | None = None) -> None:
        self.model_uri, self.records_uri = model_uri, records_uri
        self.config = config or EvaluationConfig()

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
        workspace = Workspace(_local_folder(output.uri))
        spec = EvaluatorSpec(
            folder=workspace.folder,
            model=_local_folder(storage.join(self.model_uri, MODEL_NAME)),
            held_out=held_out,
            train=record_files(records, _TRAIN_SPLIT),
            vocabulary_size=described["vocabulary_size"],
            config=self.config,
            masking=None if held_out.format.static_masks else self._masking(records),
            parent=os.getpid(),
        )
        run_child("threadmill.training.processes.evaluator", spec, workspace.folder, stage=EVALUATE, unit="sequences")
        content = storage.read_bytes(os.path.join(workspace.export, EVALUATION_NAME))
        _write(output, EVALUATION_NAME, content)
        storage.remove_tree(workspace.export)
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

    def _inputs(self) -> tuple[Dataset, Dataset, dict[str, Any]]:
        model, records = Dataset.open(self.model_uri), open_records(self.records_uri)
        if model.manifest.stage != TRAIN:
            raise InputError(
                f"{self.model_uri} is a dataset of the stage {model.manifest.stage}, not a model; name a model's folder"
            )
        described = orjson.loads(storage.read_bytes(storage.join(self.model_uri, CONFIG_NAME)))
        check_vocabulary(records, described["vocabulary_digest"], f"the model at {self.model_uri}")
        form = record_format(records)
        check_model(described["model"], form.objective, form.max_seq_length)
        if form.max_seq_length > described["max_seq_length"]:
            raise InputError(
                f"the records at {self.records_uri} have {form.max_seq_length} tokens, and the model takes "
                f"{described['max_seq_length']} at most; make records of that max_seq_length"
            )
        return model, records, described


def run_training(
    records_uri: str,
    vocabulary_uri: str,
    output_uri: str,
    config: TrainingConfig | None = None,
    checkpoints: CheckpointConfig | None = None,
    *,
    allow_partial: bool = False,
) -> Manifest:
    """Trains a model into ``output_uri``; run again, it goes on from the last checkpoint.

    Raises:
        ThreadmillError: a setting, an input, or the trainer's end; see `TrainingStage`.
    """
    stage = TrainingStage(records_uri, vocabulary_uri, config, checkpoints)
    return run_stage(stage, output_uri, allow_partial=allow_partial)


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
    output_uri = output_uri or storage.join(model_uri, "evaluation")
    run_stage(EvaluationStage(model_uri, records_uri, config), output_uri, allow_partial=allow_partial)
    scores: dict[str, float | int] = orjson.loads(storage.read_bytes(storage.join(output_uri, EVALUATION_NAME)))
    return scores


def _local_folder(uri: str) -> str:
    if not storage.is_local(uri):
        raise ConfigError(f"{uri} is not on this machine, and models are trained and read on local disks; name a local folder")
    return os.path.abspath(storage.local_path(uri))


def _write(output: TaskOutput, name: str, content: bytes, records: int = 1) -> None:
    with output.shard(name) as stream:
        stream.write(content)
        stream.records = records


def _write_file(output: TaskOutput, name: str, path: str) -> None:
    with output.shard(name) as stream, open(path, "rb") as source:
        while block := source.read(1 << 20):
            stream.write(block)
        stream.records = 1


def _last_losses(losses: bytes) -> dict[str, float]:
    last: dict[str, float] = orjson.loads(losses.rstrip().rsplit(b"\n", 1)[-1])
    return last


def _pretty(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
