"""Conversations in JSON lines, read by Hugging Face's datasets in an environment of its own: `make test-interop`."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.conversation_datasets import FEATURES, example_features, made_examples, write_conversations

PYTHON = os.environ.get("INTEROP_PYTHON", "")
pytestmark = pytest.mark.skipif(not PYTHON, reason="INTEROP_PYTHON names no environment; run `make test-interop`")


def test_datasets_reads_every_conversation(tmp_path: Path) -> None:
    examples = made_examples(60)[:60]
    splits = {"train": [examples[:30], examples[30:50]], "validation": [examples[50:]]}
    folder = write_conversations(tmp_path / "conversations", splits, "jsonl")
    command = [PYTHON, str(Path(__file__).with_name("read_conversations.py")), folder, str(tmp_path / "cache")]
    environment = {**os.environ, "HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "1"}
    told = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment).stdout

    read = json.loads(told.splitlines()[-1])
    assert {split: count for split, (count, *_) in read.items()} == {"train": 50, "validation": 10}
    for split, first in (("train", examples[0]), ("validation", examples[50])):
        _, columns, row = read[split]
        expected = example_features(*first)
        assert columns == FEATURES
        assert {name: value for name, value in row.items() if value is not None} == expected
