"""The training loop: steps, losses, checkpoints; after a kill it goes on as if nothing had been."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from threadmill.errors import PreemptedError
from threadmill.training.backends.backend import Backend, Trainer, copies, get_backend
from threadmill.training.evaluation.baseline import Counts, unigram_log_probability
from threadmill.training.export.keras_file import export_model
from threadmill.training.initial_weights import model_facts
from threadmill.training.inputs.batches import count_split, stacked_batches
from threadmill.training.inputs.dynamic_masking import DynamicMasking
from threadmill.training.inputs.groups import StepGroups
from threadmill.training.models.build import build_model, set_output_bias
from threadmill.training.models.flops import training_flops
from threadmill.training.models.presets import ModelSizes
from threadmill.training.optimizers.build import build_optimizer, build_schedule
from threadmill.training.processes.spec import TrainerSpec
from threadmill.training.runs.checkpoints import Checkpoints
from threadmill.training.runs.log_copies import copy_events
from threadmill.training.runs.losses import LossLog
from threadmill.training.runs.recorder import Recorder
from threadmill.training.runs.status import TRAINING, StatusFile
from threadmill.training.runs.summaries import Summaries
from threadmill.training.runs.utilisation import Cost, peak_flops
from threadmill.training.runs.workspace import Workspace
from threadmill.training.validation import Validation
from threadmill.training.warm_start import warm_start

_COUNTED_RECORDS = 100_000  # enough for the frequencies, in less than a second


def train(spec: TrainerSpec, status: StatusFile, leaving: Callable[[], bool] = lambda: False) -> None:
    """Trains to the last step, from the newest checkpoint if there is one, and exports the model.

    The losses of all steps, and the model, are bit for bit those of a run that was never interrupted, on the same kind
    and number of devices and version of the backend.

    Args:
        leaving: whether the machine has asked the run to leave.

    Raises:
        ConfigError: the devices do not share the batch, a checkpoint is of another run, or initial weights do not fit.
        DivergenceError: a loss or gradient is not finite, or the loss has risen for good.
        IntegrityError: a record is damaged or of another shape.
        PreemptedError: the run was asked to leave, and has saved a checkpoint.
    """
    config, workspace = spec.config, Workspace(spec.folder, spec.checkpoints_uri)
    backend = get_backend(config.backend)
    backend.prepare(config)
    with backend.scope():
        model = _new_model(spec)
        schedule = build_schedule(config)
        optimizer = build_optimizer(config, schedule, model)
    logs = workspace.log_copies
    logs.fetch()

    def publish() -> None:
        logs.publish()
        if spec.tensorboard_uri:
            copy_events(workspace.tensorboard, spec.tensorboard_uri)

    checkpoints = Checkpoints(spec.checkpoints_uri, spec.checkpoints.keep, spec.identity, publish)
    with LossLog(workspace.losses) as losses:
        start, state = checkpoints.restore(at_most=losses.steps)
        losses.cut(start)
        if start == 0:
            _initialise(model, spec)
        trainer = backend.trainer(model, optimizer, config)
        if state:
            trainer.load(state)
        del state  # as large as the model and its optimizer
        status.update(state=TRAINING, step=start, steps=config.steps, resumed_from=start, checkpoint=start)
        summaries = Summaries(workspace.tensorboard, start)
        told = losses, status, summaries, schedule, config, trainer.measures, checkpoints.last_good
        recorder = Recorder(*told, _cost(spec, backend))
        validation = Validation(spec, backend.scorer(model), _scored_together(spec, backend), start)
        _Run(spec, trainer, recorder, checkpoints, validation, summaries, leaving).go_on(start)
    if config.use_best and checkpoints.best:
        trainer.load(checkpoints.restore_best()[1])
    status.update(state="exporting")
    trainer.synchronise()
    export_model(model, workspace.export)


def _new_model(spec: TrainerSpec) -> Any:
    return build_model(spec.config.preset, _sizes(spec), spec.config.dropout)


def _sizes(spec: TrainerSpec) -> ModelSizes:
    records = spec.records.format
    return ModelSizes(spec.vocabulary_size, records.max_seq_length, records.max_target_length, records.next_sentence)


def _cost(spec: TrainerSpec, backend: Backend) -> Cost:
    config, records, devices = spec.config, spec.records.format, backend.devices
    flops = training_flops(config.preset, _sizes(spec), records.max_predictions_per_seq)
    peak = peak_flops(devices.name, devices.count, config.precision)
    return Cost(records.max_seq_length + records.max_target_length, flops, peak)


def _initialise(model: Any, spec: TrainerSpec) -> None:
    """Sets the weights that a new run does not begin with at random."""
    if spec.init_from:
        facts = model_facts(spec.config.preset, spec.vocabulary_size, str(spec.identity["vocabulary"]))
        warm_start(model, spec.init_from, facts)
    elif spec.records.format.masked and spec.config.unigram_bias:
        set_output_bias(model, unigram_log_probability(_count_tokens(spec)))


def _count_tokens(spec: TrainerSpec) -> Counts:
    special_ids = spec.masking.special_ids if spec.masking else ()
    return count_split(spec.records, spec.vocabulary_size, _COUNTED_RECORDS, special_ids)


def _scored_together(spec: TrainerSpec, backend: Backend) -> int:
    """As many sequences as a device trains on at a time."""
    config = spec.config
    return config.batch_size // config.gradient_accumulation // copies(config, backend.devices)


@dataclass
class _Run:
    """The steps of a run, and what is done between them."""

    spec: TrainerSpec
    trainer: Trainer
    recorder: Recorder
    checkpoints: Checkpoints
    validation: Validation
    summaries: Summaries
    leaving: Callable[[], bool]
    saved_at: float = field(default_factory=time.monotonic)

    def go_on(self, step: int) -> None:
        """Makes the steps after ``step``."""
        if step and self.validation.due(step) and not self.validation.done(step):  # the run left in haste
            self._validate(step)
        for inputs, labels in self._batches(step):
            measures = self.trainer.run(inputs, labels)
            self.recorder.add(step + 1, measures)
            step += next(iter(labels.values())).shape[0]
            self._between(step)

    def _batches(self, start: int) -> Any:
        spec, config = self.spec, self.spec.config
        intervals = (self._interval, config.validation_interval if spec.validation else 0)
        groups = StepGroups(config.steps, config.steps_per_execution, intervals)
        masking = DynamicMasking(spec.masking, spec.vocabulary_size, spec.records.format, config.seed) if spec.masking else None
        return stacked_batches(spec.records, config.batch_size, config.seed, groups, start, masking)

    @property
    def _interval(self) -> int:
        return self.spec.checkpoints.interval(self.spec.config.steps)

    def _between(self, step: int) -> None:
        leaving = self.leaving()
        # First, so that a checkpoint is never ahead of the validations: a run that goes on from it does not repeat them.
        if self.validation.due(step) and not leaving:
            leaving = not self._validate(step, self.leaving)
        if leaving or self._save_is_due(step):
            self._save(step)
        if leaving:
            raise PreemptedError(
                f"the run was asked to leave after step {step} of {self.spec.config.steps}, and its checkpoint is saved; run the "
                "same again to go on"
            )

    def _save_is_due(self, step: int) -> bool:
        minutes = self.spec.checkpoints.save_minutes
        long_ago = minutes > 0 and time.monotonic() - self.saved_at >= 60 * minutes
        return long_ago or step % self._interval == 0 or step == self.spec.config.steps

    def _save(self, step: int) -> None:
        self.recorder.record()
        self.checkpoints.save(step, self.trainer.state(), self.recorder.loss)
        self.recorder.saved(step)
        self.saved_at = time.monotonic()

    def _validate(self, step: int, leaving: Callable[[], bool] = lambda: False) -> bool:
        """False where the run was asked to leave meanwhile."""
        self.recorder.record()
        self.trainer.synchronise()
        loss = self.validation.run(step, leaving)
        if loss is None:
            return False
        self.summaries.scalars({"validation_loss": loss}, step)
        best = self.checkpoints.best
        if best is None or loss < best.loss:
            self.checkpoints.save_best(step, self.trainer.state(), loss)
        return True
