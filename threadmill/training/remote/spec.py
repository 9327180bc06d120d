"""What an accelerator's host is told: which stage to do, with what, for which output, and when to give up. JSON in a bucket."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, Self, cast

import msgspec

from threadmill.datasets import storage
from threadmill.engine.stage import MapStage, Plan
from threadmill.errors import InputError


class RemoteStage(Protocol):
    """What a stage needs to be done on an accelerator's host, besides being a `MapStage`."""

    name: str

    @property
    def backend(self) -> str:
        """The library that computes: tensorflow or jax."""

    def plan(self) -> Plan:
        """As `MapStage.plan`."""

    def arguments(self) -> Mapping[str, Any]:
        """What it was made from, as JSON; URIs are absolute."""

    @classmethod
    def from_arguments(cls, arguments: Mapping[str, Any]) -> Self:
        """The stage again.

        Raises:
            ThreadmillError: a setting is of no use.
        """


# The stages that are done on accelerators: each a `RemoteStage`.
_STAGES = {"train": "threadmill.training.stage:TrainingStage", "evaluate": "threadmill.training.evaluation.stage:EvaluationStage"}


@dataclass(frozen=True)
class HostSpec:
    """The work of one attempt.

    Attributes:
        stage: one of the stages that are done on accelerators.
        arguments: see `RemoteStage.arguments`.
        inputs: name and digest of each input of the plan: where they are others on the host, it refuses.
        output: URI of the dataset.
        key: of the run, for the receipts.
        folder: URI of the attempt's files, see `threadmill.training.remote.attempts`.
        attempt: its number, from 1.
        build_id: of the launcher's threadmill.
        wheel, constraints: URIs of `threadmill.cloud.package.Package`, "" where the host has it in its image.
        tpu: the full name of the queued resource, which the host deletes at the end; "" for none.
        place: its zone, or region.
        max_seconds: after which the host ends its work.
        heartbeat_seconds: between two heartbeats.
    """

    stage: str
    arguments: Mapping[str, Any]
    inputs: tuple[tuple[str, str], ...]
    output: str
    key: str
    folder: str
    attempt: int
    build_id: str
    wheel: str
    constraints: str
    tpu: str
    place: str
    max_seconds: float
    heartbeat_seconds: float

    def make_stage(self) -> MapStage:
        """The stage, its inputs those that the launcher saw.

        Raises:
            InputError: an input has changed since.
            ThreadmillError: as the stage's plan.
        """
        module, _, name = _STAGES[self.stage].partition(":")
        kind = getattr(importlib.import_module(module), name)
        stage = cast(MapStage, kind.from_arguments(self.arguments))
        found = input_digests(stage.plan())
        if found != self.inputs:
            changed = ", ".join(sorted({name for name, _ in set(found) ^ set(self.inputs)}))
            raise InputError(f"{self.stage}: {changed} changed after the work was sent to {self.place}; run it again")
        return stage


def input_digests(plan: Plan) -> tuple[tuple[str, str], ...]:
    """Name and digest of each input."""
    return tuple((entry.name, entry.digest) for entry in plan.inputs)


def read_spec(uri: str) -> HostSpec:
    """The spec in a file."""
    return msgspec.json.decode(storage.read_bytes(uri), type=HostSpec)


def write_spec(uri: str, spec: HostSpec) -> None:
    """Writes the spec."""
    storage.write_bytes(uri, msgspec.json.encode(spec))
