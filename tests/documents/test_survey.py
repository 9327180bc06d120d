from pathlib import Path

import pytest

from tests.reports.made import write_corpus, write_dataset
from threadmill.corpora.text.config import CorpusConfig
from threadmill.corpora.text.stage import CorpusStage
from threadmill.datasets.counters import Counters
from threadmill.datasets.dataset import Dataset
from threadmill.documents.survey import MOST_LINES, Survey, survey_corpus
from threadmill.engine.run import run_stage
from threadmill.errors import InputError


def test_lengths_are_counted_by_split(tmp_path: Path) -> None:
    uri = write_corpus(
        tmp_path / "corpus",
        {"train": [[["One two.", "سلام"], ["Three."]], [["Four five six."]]], "validation": [[["a", "b", "c"]]]},
    )
    survey = survey_corpus(uri, 0)
    train, validation = survey.splits["train"], survey.splits["validation"]
    assert (train.documents, train.single_line_documents, train.lines, train.words) == (3, 2, 4, 7)
    assert train.line_chars.counts == {8: 1, 4: 1, 6: 1, 14: 1}
    assert train.characters == 32
    assert validation.document_lines.counts == {3: 1}
    assert (survey.total.documents, survey.total.lines, survey.total.words) == (4, 7, 10)
    assert survey.documents == ()


def test_a_survey_agrees_with_what_the_corpus_stage_counts(tmp_path: Path) -> None:
    text = "\n\n".join(
        "\n".join(f"Line {line} of\tdocument  {number}." for line in range(number % 7 + 1)) for number in range(900)
    )
    (tmp_path / "text.txt").write_text(text)
    config = CorpusConfig(validation_split=0.2, shard_lines=500)
    manifest = run_stage(CorpusStage([str(tmp_path / "text.txt")], config), str(tmp_path / "corpus"))
    survey = survey_corpus(str(tmp_path / "corpus"), 5)
    names = ("documents", "single_line_documents", "lines", "words", "characters")
    assert {
        split: {name: getattr(found, name) for name in names} for split, found in survey.splits.items()
    } == manifest.statistics["splits"]


def documents_of(uri: str) -> list[list[str]]:
    dataset = Dataset.open(uri)
    texts = [Path(dataset.path(shard)).read_text() for shard in dataset.shards("train")]
    return [document.split("\n") for text in texts for document in text.rstrip("\n").split("\n\n")]


def check_chosen(uri: str, survey: Survey) -> None:
    documents = documents_of(uri)
    for chosen in survey.documents:
        whole = documents[chosen.number - 1]
        assert chosen.lines == len(whole)
        assert list(chosen.first_lines) == whole[:MOST_LINES]


def test_chosen_documents_are_spread_and_the_same_each_time(tmp_path: Path) -> None:
    shards = [[[f"line {line} of {shard}/{number}" for line in range(10)] for number in range(400)] for shard in range(3)]
    here, there = (write_corpus(tmp_path / name, {"train": shards}) for name in ("here", "there"))
    survey = survey_corpus(here, 8)
    assert survey == survey_corpus(there, 8, workers=1)
    check_chosen(here, survey)
    numbers = [chosen.number for chosen in survey.documents]
    assert len(set(numbers)) == 8
    assert len({number // 400 for number in numbers}) == 3
    assert survey.documents[:3] == survey_corpus(here, 3).documents


def test_documents_longer_than_a_block_are_whole(tmp_path: Path) -> None:
    line = "y" * 20_000
    long = [f"{number} {line}" for number in range(1_000)]  # 20 MB, in three blocks
    uri = write_corpus(tmp_path / "corpus", {"train": [[["one"], long, ["two", "lines"], ["last"]]]})
    survey = survey_corpus(uri, 4)
    assert survey.splits["train"].document_lines.counts == {1: 2, 1_000: 1, 2: 1}
    chosen = {document.number: document for document in survey.documents}
    assert {number: document.lines for number, document in chosen.items()} == {1: 1, 2: 1_000, 3: 2, 4: 1}
    assert [len(text) for text in chosen[2].first_lines] == [1_000] * MOST_LINES
    assert chosen[3].first_lines == ("two", "lines")


def test_a_document_that_goes_on_into_the_next_block_shows_its_first_lines(tmp_path: Path) -> None:
    filler = [["z" * 1_000] for _ in range((8 << 20) // 1_002 - 1)]
    uri = write_corpus(tmp_path / "corpus", {"train": [[*filler, [f"{number}" * 400 for number in range(9)], ["end"]]]})
    survey = survey_corpus(uri, len(filler) + 2)
    chosen = {document.number: document for document in survey.documents}
    assert len(chosen) == len(filler) + 2
    check_chosen(uri, survey)


def test_only_a_text_corpus_is_surveyed(tmp_path: Path) -> None:
    uri = write_dataset(tmp_path / "comments", "ingest", {}, Counters(1, 1, 1))
    with pytest.raises(InputError, match="name one of the stage corpus"):
        survey_corpus(uri, 1)
