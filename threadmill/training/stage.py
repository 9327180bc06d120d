"""The stage train: records and a vocabulary to a model."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import cached_property
from typing import Any, Self

import orjson

from threadmill.datasets import storage
from threadmill.datasets.counters import Counters
from threadmill.datasets.dataset import Dataset
from threadmill.datasets.manifest import Field, InputEntry, Manifest
from threadmill.engine.phases import Phase, StageRun
from threadmill.engine.run import run_stage
from threadmill.engine.stage import MapStage, Plan, Task, TaskOutput, TaskResult
from threadmill.training.config import CheckpointConfig, TrainingConfig
from threadmill.training.finished_model import CONFIG_NAME, TRAIN
from threadmill.training.initial_weights import check_facts, find_weights, initial_digest, model_facts
from threadmill.training.inputs.masking import MASKING_NAME, encode_rules, masking_rules
from threadmill.training.inputs.records import (
    RecordFiles,
    check_vocabulary,
    open_records,
    record_files,
    record_format,
)
from threadmill.training.inputs.vocabulary import VocabularyFiles, open_vocabulary
from threadmill.training.models.presets import ModelSizes, check_model
from threadmill.training.outputs import copy_file, pretty, working_folder, write, write_file
from threadmill.training.processes.launch import run_child
from threadmill.training.processes.spec import TrainerSpec
from threadmill.training.remote.phase import AcceleratorPhase
from threadmill.training.runs.losses import LOSSES_NAME, VALIDATION_NAME
from threadmill.training.runs.workspace import CHECKPOINTS_NAME, MODEL_NAME, TENSORBOARD_NAME, Workspace

TRAIN_SPLIT = "train"
_VALIDATION_SPLIT = "validation"


class TrainingStage(MapStage):
    """Trains a model in a process of its own, which TensorFlow and its memory leave with it.

    The dataset holds ``model.keras``, ``config.json`` (sizes, settings, digests), ``losses.jsonl`` (a line a step),
    ``validation.jsonl`` (a line a validation, where there is such a split), the vocabulary's files, and where training masked
    the records ``masking.json``, by which they are evaluated. Beside these, outside the manifest, lie the working files:
    ``checkpoints/``, from which a run that was stopped goes on exactly, ``tensorboard/``, ``status.json`` and ``train.log``.

    Where the dataset is in a bucket, these are on the machine that trains, below the cache, and are copied to the bucket: with
    each checkpoint the losses so far (``checkpoints/losses.jsonl``) and ``tensorboard/``, each ten seconds
    ``checkpoints/status.json``, at the end ``train.log``. So any other machine goes on exactly, from ``checkpoints/`` alone.

    The funnel counts the train split's records; those that the steps do not get to are dropped as ``not_reached``.
    """

    name = TRAIN
    version = 3
    unit = "records"

    def __init__(
        self,
        records_uri: str,
        vocabulary_uri: str,
        config: TrainingConfig | None = None,
        checkpoints: CheckpointConfig | None = None,
    ) -> None:
        self.records_uri, self.vocabulary_uri = records_uri, vocabulary_uri
        self.asked = config or TrainingConfig()
        self._checkpoints = checkpoints or CheckpointConfig()

    @cached_property
    def config(self) -> TrainingConfig:
        """What was asked for, with the objective's smallest model where none was named, and initial weights by their digest."""
        config = self.asked.resolved(record_format(open_records(self.records_uri)).objective)
        return replace(config, init_from=initial_digest(config.init_from)) if config.init_from else config

    def phases(self, run: StageRun) -> Sequence[Phase]:
        """One, where the site trains elsewhere."""
        return () if run.site.trainer == "local" else (AcceleratorPhase(self, run),)

    @property
    def backend(self) -> str:
        """The library that computes."""
        return self.asked.backend

    def arguments(self) -> dict[str, Any]:
        """What the stage was made from, for an accelerator's host."""
        asked = replace(self.asked, init_from=storage.absolute(self.asked.init_from))
        uris = {"records_uri": self.records_uri, "vocabulary_uri": self.vocabulary_uri}
        settings = {"config": asdict(asked), "checkpoints": asdict(self._checkpoints)}
        return {**{name: storage.absolute(uri) for name, uri in uris.items()}, **settings}

    @classmethod
    def from_arguments(cls, arguments: Mapping[str, Any]) -> Self:
        """The stage that `arguments` tells of."""
        config, checkpoints = TrainingConfig(**arguments["config"]), CheckpointConfig(**arguments["checkpoints"])
        return cls(arguments["records_uri"], arguments["vocabulary_uri"], config, checkpoints)

    def plan(self) -> Plan:
        """One task.

        Raises:
            ConfigError: the model does not learn the records' objective, takes shorter ones only, or is of other sizes than
                the weights that it is to begin with.
            InputError: a shard is missing, there is no train split, the records were made with another vocabulary, or there
                are no weights to begin with.
        """
        records, vocabulary = self._inputs()
        record_files(records, TRAIN_SPLIT)
        inputs = [records.as_input(), vocabulary.entry]
        if self.asked.init_from:
            source = find_weights(self.asked.init_from)
            check_facts(source, model_facts(self.config.preset, len(vocabulary), vocabulary.entry.digest))
            inputs.append(InputEntry("init_from", source.digest, storage.absolute(source.uri)))
        partial = records.manifest.partial or vocabulary.partial
        return Plan(tuple(inputs), (Task(TRAIN),), (Field(MODEL_NAME, "application/x-keras"),), partial)

    def process(self, task: Task, output: TaskOutput) -> TaskResult:
        """Trains, or goes on training, in the dataset's folder, and takes over what came of it."""
        records, vocabulary = self._inputs()
        files = record_files(records, TRAIN_SPLIT)
        workspace = Workspace(working_folder(output.uri))
        is_here = storage.is_local(output.uri)
        spec = TrainerSpec(
            folder=workspace.folder,
            records=files,
            validation=self._validation(records),
            vocabulary_size=len(vocabulary),
            config=self.config,
            checkpoints=self._checkpoints,
            checkpoints_uri=self._checkpoints.checkpoints
            or (workspace.checkpoints if is_here else storage.join(output.uri, CHECKPOINTS_NAME)),
            tensorboard_uri="" if is_here else storage.join(output.uri, TENSORBOARD_NAME),
            init_from=self.asked.init_from,
            masking=None if files.format.static_masks else masking_rules(records, self.vocabulary_uri),
            identity=self._identity(records, vocabulary),
            parent=os.getpid(),
        )
        run_child("threadmill.training.processes.trainer", spec, workspace.folder, stage=TRAIN, unit="sequences")
        losses = storage.read_bytes(workspace.losses)
        write_file(output, MODEL_NAME, os.path.join(workspace.export, MODEL_NAME))
        write(output, CONFIG_NAME, pretty(self._described(spec)))
        write(output, LOSSES_NAME, losses, records=losses.count(b"\n"))
        if spec.validation:
            validation = storage.read_bytes(workspace.validation)
            write(output, VALIDATION_NAME, validation, records=validation.count(b"\n"))
        for name, content in vocabulary.files.items():
            write(output, name, content)
        if spec.masking:
            write(output, MASKING_NAME, encode_rules(spec.masking))
        if is_here:
            storage.remove_tree(workspace.export)
        else:
            copy_file(os.path.join(workspace.folder, f"{TRAIN}.log"), storage.join(output.uri, f"{TRAIN}.log"))
            storage.remove_tree(workspace.folder)
        return output.result(task, self._counters(files.records), _last_losses(losses))

    def statistics(self, parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """The losses of the last step."""
        return dict(parts[0])

    def _inputs(self) -> tuple[Dataset, VocabularyFiles]:
        records, vocabulary = open_records(self.records_uri), open_vocabulary(self.vocabulary_uri)
        check_vocabulary(records, vocabulary.entry.digest, self.vocabulary_uri)
        form = record_format(records)
        check_model(self.config.model, form.objective, form.max_seq_length, form.max_target_length)
        return records, vocabulary

    def _validation(self, records: Dataset) -> RecordFiles | None:
        found = self.config.validation_sequences and sum(shard.records for shard in records.shards(_VALIDATION_SPLIT))
        return record_files(records, _VALIDATION_SPLIT) if found else None

    def _identity(self, records: Dataset, vocabulary: VocabularyFiles) -> dict[str, Any]:
        digests = {"records": records.manifest.digest, "vocabulary": vocabulary.entry.digest}
        return {**asdict(self.config), "version": self.version, **digests}

    def _described(self, spec: TrainerSpec) -> dict[str, Any]:
        preset, form = self.config.preset, spec.records.format
        sizes = ModelSizes(spec.vocabulary_size, form.max_seq_length, form.max_target_length, form.next_sentence)
        return {
            "model": self.config.model,
            "architecture": preset.architecture,
            "num_layers": preset.num_layers,
            "hidden_dim": preset.hidden_dim,
            "num_heads": preset.num_heads,
            "intermediate_dim": preset.intermediate_dim,
            "encoder_layers": preset.encoder_layers,
            "normalize_first": preset.normalize_first,
            "vocabulary_size": spec.vocabulary_size,
            "objective": form.objective,
            "next_sentence": form.next_sentence,
            "max_seq_length": form.max_seq_length,
            "max_target_length": form.max_target_length,
            "max_predictions_per_seq": form.max_predictions_per_seq,
            "parameters": preset.parameters(sizes),
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


def _last_losses(losses: bytes) -> dict[str, float]:
    last: dict[str, float] = orjson.loads(losses.rstrip().rsplit(b"\n", 1)[-1])
    return last
