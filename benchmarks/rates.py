"""The rates that plans are priced with: CPU seconds and bytes of each stage, measured on the sample world.

`python -m benchmarks.rates [--comments N] [--write]`: a table, and with --write threadmill/pricing/rates.toml anew. Stages run in
this process after a first, small run, so that imports and compilation are not counted; workers and services add what
`threadmill.pricing.estimate` assumes.
"""

import argparse
import os
import platform
import sys
import tempfile
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from threadmill.datasets.dataset import Dataset
from threadmill.datasets.manifest import Manifest, read_manifest
from threadmill.engine.run import run_stage
from threadmill.engine.site import local_site

_WARM_UP = 5_000
_MILLION = 1e6
_OBJECTIVES = ("bert", "roberta", "seq2seq", "causal")
_SIGNATURES = {"signatures_exact": "exact", "signatures_near": "near"}
_OF_EXAMPLES = (*_SIGNATURES, "deduplicate", "vocabulary")
_OUTPUT = Path(__file__).parents[1] / "threadmill" / "pricing" / "rates.toml"


def main() -> None:
    """Prints the table, and writes the file where asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--comments", type=int, default=400_000)
    parser.add_argument("--write", action="store_true", help="write threadmill/pricing/rates.toml")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        _measure(Path(folder) / "warm-up", _WARM_UP)
        rates = _measure(Path(folder) / "measured", arguments.comments)
    text = _toml(rates, arguments.comments)
    print(text)
    if arguments.write:
        _OUTPUT.write_text(text)


def _measure(folder: Path, comments: int) -> dict[str, dict[str, float]]:
    """The rates, by the table and the name that they have in the file."""
    from threadmill.conversations.stage import ConversationsStage
    from threadmill.conversations.threads import ThreadsStage
    from threadmill.corpora.reddit.ingest import IngestStage
    from threadmill.corpora.sample import write_sample
    from threadmill.corpora.text.stage import CorpusStage
    from threadmill.deduplication.config import DeduplicationConfig
    from threadmill.deduplication.deduplicate import DeduplicateStage
    from threadmill.deduplication.signatures import SignaturesStage
    from threadmill.recipes import find_recipe
    from threadmill.vocab.config import VocabularyConfig
    from threadmill.vocab.stage import VocabularyStage

    folder.mkdir(parents=True)
    write_sample(str(folder), comments=comments, start="2006-01")
    dump = str(folder / "RC_2006-01.zst")
    place = {name: str(folder / name) for name in ("comments", "threads", "conversations", *_OF_EXAMPLES, "corpus")}
    exact = DeduplicationConfig(deduplication="exact")
    costs = {
        "ingest": _run(IngestStage((dump,)), place["comments"]),
        "threads": _run(lambda: ThreadsStage((place["comments"],)), place["threads"]),
        "conversations": _run(lambda: ConversationsStage(place["threads"]), place["conversations"]),
        **{
            name: _run(SignaturesStage(place["conversations"], DeduplicationConfig(deduplication=kind)), place[name])
            for name, kind in _SIGNATURES.items()
        },
        "deduplicate": _run(
            lambda: DeduplicateStage(place["conversations"], place["signatures_exact"], (), exact), place["deduplicate"]
        ),
        "vocabulary": _run(
            lambda: VocabularyStage([place["conversations"]], VocabularyConfig(vocab_size=8192)), place["vocabulary"]
        ),
        "corpus": _run(lambda: CorpusStage((dump,), _sample_corpus(find_recipe("default").corpus)), place["corpus"]),
    }
    manifests = {name: read_manifest(uri) for name, uri in place.items()}
    examples = manifests["conversations"].records
    rates = {
        "cpu_seconds_per_million_comments": {
            name: costs[name] / comments * _MILLION for name in ("ingest", "threads", "conversations")
        },
        "cpu_seconds_per_million_examples": {name: costs[name] / examples * _MILLION for name in _OF_EXAMPLES},
        "cpu_seconds_per_gigabyte": {"corpus": costs["corpus"] / (_text_bytes(manifests["corpus"]) / 1e9)},
        "bytes_per_comment": {
            "dump_zst": os.path.getsize(dump) / comments,
            "comments": _bytes(manifests["comments"]) / comments,
            "comments_in_bigquery": _logical_bytes(place["comments"]) / comments,
            "threads": _bytes(manifests["threads"]) / comments,
        },
        "bytes_per_example": {
            "conversations": _bytes(manifests["conversations"]) / examples,
            **{name: _bytes(manifests[name]) / examples for name in _SIGNATURES},
        },
        "sample": {"examples_per_comment": examples / comments},
    }
    for objective in _OBJECTIVES:
        rates[f"records_{objective}"] = _records(objective, place, str(folder / f"records-{objective}"), examples)
    return rates


def _records(objective: str, place: Mapping[str, str], uri: str, examples: int) -> dict[str, float]:
    """Of one pass over the examples, with the objective's own settings."""
    from dataclasses import replace

    from threadmill.pretraining.config import CONFIGS
    from threadmill.pretraining.stage import RecordsStage

    config = replace(CONFIGS[objective](), dupe_factor=1)
    seconds = _run(lambda: RecordsStage([place["conversations"]], place["vocabulary"], config), uri)
    manifest = read_manifest(uri)
    return {
        "cpu_seconds_per_million_examples": seconds / examples * _MILLION,
        "records_per_example": manifest.records / examples,
        "bytes_per_record": _bytes(manifest) / manifest.records,
    }


def _run(stage: Any, uri: str) -> float:
    """CPU seconds of a stage, those of its child processes included."""
    made = stage() if callable(stage) else stage
    begin = _cpu()
    run_stage(made, uri, site=local_site(workers=1), allow_partial=True)
    return _cpu() - begin


def _cpu() -> float:
    used = os.times()
    return time.process_time() + used.children_user + used.children_system


def _bytes(manifest: Manifest) -> int:
    return sum(shard.bytes for shard in manifest.shards)


def _text_bytes(manifest: Manifest) -> int:
    return _bytes(manifest)


def _logical_bytes(uri: str) -> int:
    """Bytes that BigQuery would count for a dataset of comments: 8 for a number or time, 1 for a truth, a text's and 2.

    https://cloud.google.com/bigquery/pricing#data: the size of the data by its types.
    """
    import polars as pl

    total = 0
    dataset = Dataset.open(uri, "ingest")
    for shard in dataset.manifest.shards:
        frame = pl.read_parquet(dataset.path(shard))
        for column in frame.iter_columns():
            kind = column.dtype
            if kind in (pl.String, pl.Categorical, pl.Enum):
                total += int(column.cast(pl.String).str.len_bytes().sum()) + 2 * (len(column) - column.null_count())
            else:
                total += (1 if kind == pl.Boolean else 8) * (len(column) - column.null_count())
    return total


def _sample_corpus(config: Any) -> Any:
    from dataclasses import replace

    return replace(config, format="jsonl", field="body")


def _toml(rates: Mapping[str, Mapping[str, float]], comments: int) -> str:
    lines = [
        "# Measured rates of the stages; `python -m benchmarks.rates --write` renews them.",
        f'measured = "{datetime.now(UTC):%Y-%m-%d}, {comments:,} comments of the sample world, one core of {platform.machine()}, '
        f'Python {sys.version_info.major}.{sys.version_info.minor}"',
    ]
    for table, values in rates.items():
        lines += ["", f"[{table}]", *(f"{name} = {value:.6g}" for name, value in values.items())]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
