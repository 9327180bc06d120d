"""The preset polyai against an implementation of the reference pipeline of the tests' own."""

import json
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from hashlib import md5
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conversations.reference_pipeline import Parameters, reference_examples, split_of
from tests.conversations.worlds import Raw, comment, examples_or_none, make_comments, thread_frame, worlds
from threadmill.conversations.config import find_preset
from threadmill.conversations.examples import make_examples
from threadmill.corpora.reddit.ingest import IngestStage
from threadmill.corpora.sample import write_sample
from threadmill.engine.run import run_stage

REAL = Path(__file__).parents[2] / ".." / "shared" / "data" / "reddit"
OURS = {"context_authors", "context_ids", "created_utc", "example_id", "root_kind"}

Examples = Mapping[str, Iterable[Mapping[str, str | None]]]


def compared(splits: Examples) -> dict[str, Counter[frozenset[tuple[str, str]]]]:
    """Each split's examples as a multiset of features, without those that the reference lacks; no split is empty."""
    sets = {
        split: Counter(
            frozenset((name, text) for name, text in example.items() if text is not None and name not in OURS)
            for example in examples
        )
        for split, examples in splits.items()
    }
    return {split: examples for split, examples in sets.items() if examples}


@settings(max_examples=20)
@given(worlds())
def test_the_stages_give_the_examples_and_splits_of_the_reference(sources: list[list[Raw]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        ours = examples_or_none(Path(folder), [make_comments(Path(folder), *sources)], "polyai", format="jsonl")
    assert compared(ours) == compared(reference_examples(value for raw in sources for value in raw))


@settings(max_examples=60)
@given(worlds(), st.integers(1, 12), st.sampled_from([9, 10, 126, 127, 128]), st.sampled_from([0, 1, 8, 9]))
def test_examples_are_those_of_the_reference_for_any_depth_and_length(
    sources: list[list[Raw]], parent_depth: int, max_length: int, min_length: int
) -> None:
    raw = [value for source in sources for value in source]
    parameters = Parameters(parent_depth, max_length, min_length)
    last = {(value["link_id"], value["id"]): value for value in raw}
    config = find_preset("polyai").conversations.__class__(
        **{
            **vars(find_preset("polyai").conversations),
            "parent_depth": parent_depth,
            "max_length": max_length,
            "min_length": min_length,
        }
    )
    examples, counters = make_examples(thread_frame(list(last.values())), config)
    expected = [example for split in reference_examples(raw, parameters).values() for example in split]
    assert compared({"all": examples.to_dicts()}) == compared({"all": expected})
    assert counters.read == counters.kept + sum(counters.dropped.values()) == len(last)


@pytest.mark.parametrize(
    ("train_split", "test_split"), [(0.0, 1), (0.000244140625, 0.999755859375), (0.5, 0.5), (0.9, 0.1), (0.999, 0.001), (1, 0)]
)
def test_the_split_of_each_thread_is_that_of_the_reference(tmp_path: Path, train_split: float, test_split: float) -> None:
    names = {f"n{number}": int(md5(f"n{number}".encode()).hexdigest(), 16) % 4096 for number in range(20_000)}
    edges = [name for name, position in names.items() if position in (0, 1, 2046, 2047, 2048, 3685, 3686, 4094, 4095)]
    threads = [*edges, *list(names)[:300]]
    raw = [value for thread in threads for value in (comment("p", f"t3_{thread}", thread), comment("c", "t1_p", thread))]
    config = {"train_split": train_split, "test_split": test_split, "format": "jsonl"}
    ours = examples_or_none(tmp_path, [make_comments(tmp_path, raw)], "polyai", **config)
    found = {example["thread_id"]: split for split, examples in ours.items() for example in examples}
    assert found == {thread: split_of(thread, train_split) for thread in threads}
    if train_split == 1:
        assert set(found.values()) == {"train", "test"}  # the reference's fault, which its preset keeps


def real_dump(tmp_path: Path, name: str) -> list[str]:
    return (
        [str(REAL / name)]
        if (REAL / name).exists()
        else [str(path) for path in write_sample(str(tmp_path / "made"), comments=1500)]
    )


def read_raw(path: str) -> list[Raw]:
    content = Path(path).read_bytes()
    if content[:4] == b"\x28\xb5\x2f\xfd":
        with zstandard.ZstdDecompressor(max_window_size=1 << 31).stream_reader(content, read_across_frames=True) as stream:
            content = stream.readall()
    return [json.loads(text) for text in content.decode().split("\n") if text]


@pytest.mark.parametrize("name", ["RC_2005-12.zst", "RC_2008-01_first1000.ndjson", "pushshift_importer_test_comments.ndjson"])
@pytest.mark.parametrize("format", ["jsonl", "tfrecord"])
def test_real_dumps_give_the_examples_of_the_reference(tmp_path: Path, name: str, format: str) -> None:
    sources = real_dump(tmp_path, name)
    run_stage(IngestStage(tuple(sources)), str(tmp_path / "comments"), workers=1)
    assert_equal_to_reference(tmp_path, sources, format)


def test_a_sample_world_of_several_months_gives_the_examples_of_the_reference(tmp_path: Path) -> None:
    sources = [str(path) for path in write_sample(str(tmp_path / "sample"), comments=6000, months=3)]
    run_stage(IngestStage(tuple(sources)), str(tmp_path / "comments"), workers=1)
    assert assert_equal_to_reference(tmp_path, sources, "tfrecord") > 600


def assert_equal_to_reference(folder: Path, sources: Sequence[str], format: str) -> int:
    ours = examples_or_none(folder, [str(folder / "comments")], "polyai", format=format)
    expected = reference_examples(value for source in sources for value in read_raw(source))
    assert compared(ours) == compared(expected)
    return sum(map(len, expected.values()))
