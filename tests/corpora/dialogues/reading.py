"""Reads dialogue sets for tests: files of bytes to a dataset, and its examples."""

from pathlib import Path

from threadmill.conversations.reading import read_examples
from threadmill.corpora.dialogues.config import DialoguesConfig
from threadmill.corpora.dialogues.examples import dialogue_features
from threadmill.corpora.dialogues.stage import DialoguesStage
from threadmill.datasets.dataset import Dataset, split_of
from threadmill.datasets.manifest import Manifest
from threadmill.engine.run import run_stage

Examples = dict[str, list[dict[str, str]]]


def write_files(folder: Path, files: dict[str, bytes | str]) -> list[str]:
    """Writes the files; returns their paths."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return [str(folder / name) for name in files]


def read_dialogues(folder: Path, files: dict[str, bytes | str], part_bytes: int = 1 << 24, **settings: object) -> Examples:
    """The examples of each split that the stage makes of ``files``, as features without those that are absent."""
    config = DialoguesConfig(**settings)  # type: ignore[arg-type]
    stage = DialoguesStage(write_files(folder, files), config, part_bytes)
    return examples_of(run_stage(stage, str(folder / "made"), workers=1), folder / "made", config)


def examples_of(manifest: Manifest, folder: Path, config: DialoguesConfig) -> Examples:
    """The examples of each split, in the order of the shards."""
    dataset, found = Dataset(str(folder), manifest), Examples()
    for shard in dataset.shards():
        frame = read_examples(dataset.path(shard), dialogue_features(config.parent_depth))
        rows = [{name: text for name, text in row.items() if text is not None} for row in frame.to_dicts()]
        assert len(rows) == shard.records
        found.setdefault(split_of(shard), []).extend(rows)
    return found


def turns_of(example: dict[str, str]) -> list[str]:
    """An example's turns, oldest first, the response last."""
    older = sorted((int(name[8:]) for name in example if name.startswith("context/")), reverse=True)
    return [*(example[f"context/{number}"] for number in older), example["context"], example["response"]]
