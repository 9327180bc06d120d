"""What training and evaluation on TPUs cost: chip-hours from the model's floating-point operations and the chips' peak."""

from collections.abc import Iterator

from threadmill.pricing.accelerators import Slice, slice_of, vertex_slice
from threadmill.pricing.amounts import Amounts
from threadmill.pricing.lines import ASSUMED, Line
from threadmill.pricing.plan import RunPlan
from threadmill.pricing.prices import Prices
from threadmill.settings import Settings

_UTILISATION = 0.35  # of the peak, by matrix products: what models of BERT's size and up reach on several chips
_SMALL_UTILISATION = 0.05  # of models narrower than 512, which are too small for a chip's matrix units
_SMALL_WIDTH = 512
_START_HOURS = 0.25  # of a slice that boots, installs its packages and compiles
_PREEMPTED = 0.1  # of spot training that is done again after pre-emptions
_VALIDATION = 0.05  # of the records, which the evaluation scores
_RANKING_PASSES = 17  # a candidate's likelihood after its context, and after 16 others
_FORWARD = 1 / 3  # of the operations of training

ASSUMPTION = (
    f"TPU: {_UTILISATION:.0%} of the peak ({_SMALL_UTILISATION:.0%} for models narrower than {_SMALL_WIDTH}), "
    f"{_START_HOURS:g} hours a slice before it begins, {_PREEMPTED:.0%} of spot work done twice"
)


def training_lines(run: RunPlan, found: Amounts, trainer: str, settings: Settings, prices: Prices) -> Iterator[Line]:
    """The lines of training and evaluation, by "tpu" or "vertex"."""
    if trainer == "vertex":
        chips = vertex_slice(settings.vertex_machine_type, settings.vertex_topology)
        item, name, region, spot = f"Vertex AI TPU {chips.generation}", f"vertex.{chips.generation}", settings.region, False
    else:
        chips, spot = slice_of(settings.tpu_type), settings.tpu_spot and not settings.tpu_reservation
        item = f"Cloud TPU {chips.generation}{' spot' if spot else ''}"
        name = f"tpu.{chips.generation}{'_spot' if spot else ''}"
        region = settings.tpu_zones.split(",")[0].strip().rpartition("-")[0] or settings.region
    price = prices.of(name, region)
    training = run.training.resolved(run.records.objective)
    again = 1 + _PREEMPTED if spot else 1.0
    for stage, flops in (("train", training.steps * training.batch_size * _flops(run)), ("evaluate", _evaluated(run, found))):
        hours = flops * again / _speed(run, chips) / 3600 + _START_HOURS
        yield Line(stage, f"{item}, {chips.chips} chips", hours * chips.chips, price, ASSUMED, ASSUMPTION)


def _speed(run: RunPlan, chips: Slice) -> float:
    """FLOP/s that the slice is assumed to do."""
    small = run.training.resolved(run.records.objective).preset.hidden_dim < _SMALL_WIDTH
    return chips.peak_flops(run.training.precision) * (_SMALL_UTILISATION if small else _UTILISATION)


def _flops(run: RunPlan) -> float:
    """FLOP of one sequence's forward and backward pass."""
    from threadmill.training.models.flops import training_flops
    from threadmill.training.models.presets import ModelSizes

    records = run.records
    sizes = ModelSizes(
        run.vocabulary_size,
        int(getattr(records, "max_seq_length", 0)),
        int(getattr(records, "max_target_length", 0)),
        bool(getattr(records, "next_sentence", False)),
    )
    preset = run.training.resolved(records.objective).preset
    return training_flops(preset, sizes, int(getattr(records, "max_predictions_per_seq", 0)))


def _evaluated(run: RunPlan, found: Amounts) -> float:
    """FLOP of the evaluation: its sequences once, and of a conversational model the candidates of the ranking."""
    sequences = found.records / max(1, run.records.dupe_factor) * _VALIDATION
    if run.evaluation.max_sequences:
        sequences = min(sequences, run.evaluation.max_sequences)
    if run.records.objective == "seq2seq":
        sequences += run.evaluation.ranking_contexts * run.evaluation.ranking_candidates * _RANKING_PASSES
    return sequences * _flops(run) * _FORWARD
