"""The training loop: steps, losses, checkpoints; after a kill it goes on as if nothing had been."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from threadmill.training.config import TrainingConfig
from threadmill.training.evaluation.baseline import Counts, unigram_log_probability
from threadmill.training.export.keras_file import export_model
from threadmill.training.inputs.batches import count_split, training_batches
from threadmill.training.inputs.dynamic_masking import DynamicMasking
from threadmill.training.models.build import build_model, call_model, set_output_bias
from threadmill.training.models.presets import PRESETS, ModelSizes
from threadmill.training.objective import Sums, objective_sums
from threadmill.training.optimizers.build import build_optimizer, build_schedule
from threadmill.training.processes.spec import TrainerSpec
from threadmill.training.runs.checkpoints import Checkpoints
from threadmill.training.runs.losses import LossLog
from threadmill.training.runs.recorder import MEASURES, MEASURES_WITH_NEXT_SENTENCE, Recorder
from threadmill.training.runs.status import StatusFile
from threadmill.training.runs.summaries import Summaries
from threadmill.training.runs.workspace import Workspace

_COUNTED_RECORDS = 100_000  # enough for the frequencies, in less than a second

Step = Callable[[Any, Any], Any]


def train(spec: TrainerSpec, status: StatusFile) -> None:
    """Trains to the last step, from the newest checkpoint if there is one, and exports the model.

    The losses of all steps, and the model, are bit for bit those of a run that was never interrupted, on the same kind
    of machine and version of TensorFlow.

    Raises:
        DivergenceError: a loss or gradient is not finite.
        IntegrityError: a record is damaged or of another shape.
    """
    config, workspace = spec.config, Workspace(spec.folder)
    keras.utils.set_random_seed(config.seed)
    tf.config.experimental.enable_op_determinism()
    model = _new_model(spec)
    schedule = build_schedule(config)
    optimizer = build_optimizer(config, schedule, model)
    state = [*model.variables, *optimizer.variables]
    checkpoints = Checkpoints(workspace.checkpoints, state, spec.checkpoints.keep)
    with LossLog(workspace.losses) as losses:
        start = checkpoints.restore(at_most=losses.steps)
        losses.cut(start)
        if start == 0 and config.unigram_bias:
            set_output_bias(model, unigram_log_probability(_count_tokens(spec)))
        status.update(state="training", step=start, steps=config.steps, resumed_from=start)
        measures = MEASURES_WITH_NEXT_SENTENCE if spec.records.format.next_sentence else MEASURES
        recorder = Recorder(losses, status, Summaries(workspace.tensorboard), schedule, config, measures)
        _run_steps(spec, start, make_train_step(model, optimizer, config), recorder, checkpoints)
    status.update(state="exporting")
    export_model(model, workspace.export)


def _new_model(spec: TrainerSpec) -> Any:
    preset, records = PRESETS[spec.config.model], spec.records.format
    lengths = records.max_seq_length, records.max_target_length
    return build_model(preset, ModelSizes(spec.vocabulary_size, *lengths, records.next_sentence), spec.config.dropout)


def _count_tokens(spec: TrainerSpec) -> Counts:
    special_ids = spec.masking.special_ids if spec.masking else ()
    return count_split(spec.records, spec.vocabulary_size, _COUNTED_RECORDS, special_ids)


def make_train_step(model: Any, optimizer: Any, config: TrainingConfig) -> Step:
    """One update as a compiled function of a batch.

    It returns float32[4]: the loss, its masked LM and next sentence parts, and the norm of the gradient before clipping;
    without a next sentence to tell, float32[2]: the loss and that norm.
    """
    weights = [variable.value for variable in model.trainable_variables]

    def step(inputs: Any, labels: Any) -> Any:
        with tf.GradientTape() as tape:
            losses = _mean_losses(objective_sums(call_model(model, inputs, training=True), labels))
            loss = tf.add_n(losses)
        gradients, norm = tf.clip_by_global_norm(tape.gradient(loss, weights), config.clip_norm)
        optimizer.apply(gradients, model.trainable_variables)
        return tf.stack([loss, *(losses if len(losses) > 1 else ()), norm])

    compiled: Step = tf.function(step, jit_compile=config.jit_compile == "on")
    return compiled


def _mean_losses(sums: Sums) -> list[Any]:
    """The means of the masked LM's loss and, where it is told, of the next sentence's."""
    masked = sums["masked_loss"] / tf.maximum(sums["masked_weight"], 1.0)
    if "next_sentence_loss" not in sums:
        return [masked]
    return [masked, sums["next_sentence_loss"] / sums["sequences"]]


def _run_steps(spec: TrainerSpec, start: int, step: Step, recorder: Recorder, checkpoints: Checkpoints) -> None:
    config, interval = spec.config, spec.checkpoints.interval(spec.config.steps)
    masking = DynamicMasking(spec.masking, spec.vocabulary_size, spec.records.format, config.seed) if spec.masking else None
    batches = training_batches(spec.records, config.batch_size, config.seed, start, masking)
    for number, (inputs, labels) in zip(range(start + 1, config.steps + 1), batches, strict=False):
        recorder.add(number, step(inputs, labels))
        if number % interval == 0 or number == config.steps:
            recorder.record()
            checkpoints.save(number)
            recorder.saved = number
