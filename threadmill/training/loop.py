"""The training loop: steps, losses, checkpoints; after a kill it goes on as if nothing had been."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from threadmill.training.baseline import unigram_log_probability
from threadmill.training.checkpoints import Checkpoints
from threadmill.training.config import TrainingConfig
from threadmill.training.export import export_model
from threadmill.training.input import count_split, training_batches
from threadmill.training.losses import LossLog
from threadmill.training.model import build_model, set_output_bias
from threadmill.training.objective import objective_sums
from threadmill.training.optimizer import build_optimizer, build_schedule
from threadmill.training.presets import PRESETS
from threadmill.training.recorder import Recorder
from threadmill.training.spec import TrainerSpec
from threadmill.training.status import StatusFile
from threadmill.training.summaries import Summaries
from threadmill.training.workspace import Workspace

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
    shape = spec.records.shape
    model = build_model(PRESETS[config.model], spec.vocabulary_size, shape.max_seq_length, config.dropout)
    schedule = build_schedule(config)
    optimizer = build_optimizer(config, schedule, model)
    state = [*model.variables, *optimizer.variables]
    checkpoints = Checkpoints(workspace.checkpoints, state, spec.checkpoints.keep)
    with LossLog(workspace.losses) as losses:
        start = checkpoints.restore(at_most=losses.steps)
        losses.cut(start)
        if start == 0 and config.unigram_bias:
            counts = count_split(spec.records, spec.vocabulary_size, limit=_COUNTED_RECORDS)
            set_output_bias(model, unigram_log_probability(counts))
        status.update(state="training", step=start, steps=config.steps, resumed_from=start)
        recorder = Recorder(losses, status, Summaries(workspace.tensorboard), schedule, config)
        _run_steps(spec, start, make_train_step(model, optimizer, config), recorder, checkpoints)
    status.update(state="exporting")
    export_model(model, workspace.export)


def make_train_step(model: Any, optimizer: Any, config: TrainingConfig) -> Step:
    """One update as a compiled function of a batch.

    It returns float32[4]: the loss, its masked LM and next sentence parts, and the norm of the gradient before clipping.
    """
    weights = [variable.value for variable in model.trainable_variables]

    def step(inputs: Any, labels: Any) -> Any:
        with tf.GradientTape() as tape:
            sums = objective_sums(model(inputs, training=True), labels)
            masked = sums["masked_loss"] / tf.maximum(sums["masked_weight"], 1.0)
            next_sentence = sums["next_sentence_loss"] / sums["sequences"]
            loss = masked + next_sentence
        gradients, norm = tf.clip_by_global_norm(tape.gradient(loss, weights), config.clip_norm)
        optimizer.apply(gradients, model.trainable_variables)
        return tf.stack([loss, masked, next_sentence, norm])

    compiled: Step = tf.function(step, jit_compile=config.jit_compile)
    return compiled


def _run_steps(spec: TrainerSpec, start: int, step: Step, recorder: Recorder, checkpoints: Checkpoints) -> None:
    config, interval = spec.config, spec.checkpoints.interval(spec.config.steps)
    batches = training_batches(spec.records, config.batch_size, config.seed, start)
    for number, (inputs, labels) in zip(range(start + 1, config.steps + 1), batches, strict=False):
        recorder.add(number, step(inputs, labels))
        if number % interval == 0 or number == config.steps:
            recorder.record()
            checkpoints.save(number)
            recorder.saved = number
