import re
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from tests.reports.made import write_corpus, write_dataset
from tests.reports.test_stage import Tags
from threadmill.datasets.counters import Counters
from threadmill.datasets.dataset import Dataset, verify
from threadmill.datasets.manifest import InputEntry, Manifest
from threadmill.engine.run import run_stage
from threadmill.errors import ConfigError, InputError
from threadmill.reports.config import TextReportConfig
from threadmill.reports.text_stage import TextReportStage

EVIL = "</p><script>alert('x')</script><img src=https://example.org/x onerror=alert(1)>"
SHARDS = {
    "train": [
        [[f"Sentence {line} of novel {number}." for line in range(1, number + 1)] for number in range(1, 9)],
        [[EVIL, "عربي \u202eيمين"], ["The only line."]],
    ],
    "validation": [[["Held out."]]],
}
HELD_OUT = {
    "source": "validation split",
    "lines": 1,
    "words": 2_000,
    "unknown_words": 3,
    "unknown_rate": 0.0015,
    "tokens_per_word": 1.3125,
}


def with_inputs(uri: str, *inputs: InputEntry) -> str:
    """The dataset with other inputs."""
    value = {**Dataset.open(uri).manifest.to_json(), "inputs": [vars(entry) for entry in inputs]}
    Path(uri, "manifest.json").write_bytes(orjson.dumps(Manifest.from_json(value).to_json()))
    return uri


def make_road(root: Path, **changed: Any) -> TextReportStage:
    """A run's datasets, from the text to the evaluation."""
    letter = {"file": "novels.jsonl", "line": 77, "reason": "not JSON", "detail": EVIL}
    counters = Counters(16, 11, 40, {"empty": 4, "not JSON": 1}, {"cut_lines": 21})
    letters = {"dead_letters-novels.jsonl-00000-of-00001.jsonl": (orjson.dumps(letter) + b"\n", 1)}
    config = {"urls": "replace", "url_token": EVIL}
    corpus = write_corpus(root / "novels", SHARDS, counters=counters, dead_letters=letters, config=config, **changed)
    with_inputs(corpus, InputEntry("novels.jsonl", "5" * 64, str(root / "downloads" / "novels.jsonl")))
    vocabulary = write_dataset(
        root / "vocabulary",
        "vocabulary",
        {"vocab.txt": (b"[PAD]\n", 1)},
        Counters(39, 39, 1_234),
        made_from=[root / "novels"],
        config={"kind": "sentencepiece-bpe", "form": "bert", "lowercase": False, "vocab_size": 8_000},
        statistics={"sampled_lines": 39, "distinct_words": 345, "entries": 1_234, "held_out": HELD_OUT},
    )
    records = write_dataset(
        root / "records",
        "records",
        {"train-00000-of-00001.tfrecord": (b"", 40), "validation-00000-of-00001.tfrecord": (b"", 4)},
        Counters(11, 11, 44),
        made_from=[root / "novels", root / "vocabulary"],
        config={
            "objective": "bert",
            "max_seq_length": 128,
            "max_predictions_per_seq": 20,
            "masked_lm_prob": 0.15,
            "next_sentence": True,
            "dupe_factor": 5,
        },
        statistics={
            "splits": {
                "train": {"instances": 40, "tokens": 4_608, "masked": 691, "random_next": 19},
                "validation": {"instances": 4, "tokens": 512, "masked": 77, "random_next": 2},
            }
        },
    )
    losses = b"".join(orjson.dumps({"step": step, "loss": 9 - step / 10}) + b"\n" for step in range(1, 41))
    model = write_dataset(root / "model", "train", {"losses.jsonl": (losses, 40)}, Counters(40, 40, 1))
    numbers = {"masked_loss": 4.5, "masked_accuracy": 0.21, "unigram_loss": 5.875, "unigram_accuracy": 0.05}
    evaluation = write_dataset(
        root / "evaluation", "evaluate", {"evaluation.json": (orjson.dumps(numbers), 1)}, Counters(4, 4, 1)
    )
    return TextReportStage(corpus, vocabulary, records, model, evaluation)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """The page and the card."""
    root = tmp_path_factory.mktemp("road")
    run_stage(make_road(root), str(root / "report"))
    return (root / "report" / "report.html").read_text(), (root / "report" / "dataset_card.md").read_text()


def text_of(page: str, section: str) -> str:
    """A section's text, with one blank between its pieces; plots left out."""
    found = page[page.index(f'<section id="{section}"') :].split("</section>")[0]
    return " ".join(re.sub(r"<svg.*?</svg>|<[^>]+>", " ", found, flags=re.DOTALL).split())


def test_the_page_has_every_section(report: tuple[str, str]) -> None:
    sections = re.findall(r'<section id="([^"]+)"', report[0])
    before = ["funnel", "corpus", "sources", "vocabulary", "records", "training"]
    assert sections == [*before, "examples", "dead-letters", "provenance"]
    assert report[0].count("<svg") == 5


def test_the_page_is_well_formed_and_needs_nothing_else(report: tuple[str, str]) -> None:
    parsed = Tags(report[0])
    assert parsed.open == []
    assert not {"script", "img", "link", "iframe", "object"} & set(parsed.tags)
    assert not [name for name, _ in parsed.attributes if name.startswith("on") or name in ("src", "action")]
    ids = [value for name, value in parsed.attributes if name == "id"]
    assert len(ids) == len(set(ids))


def test_the_funnel_goes_from_documents_to_the_evaluation(report: tuple[str, str]) -> None:
    funnel = text_of(report[0], "funnel")
    for told in (
        "corpus read 16 documents dropped: empty 4 documents 25.0% dropped: not JSON 1 documents 6.2% kept 11 documents 68.8% "
        "written 40 lines",
        "vocabulary read 39 lines",
        "written 1,234 entries",
        "records read 11 documents",
        "train read 40 records",
        "evaluate read 4 records",
    ):
        assert told in funnel


def test_the_page_tells_what_the_corpus_holds(report: tuple[str, str]) -> None:
    page = report[0]
    assert "11 documents of 40 lines" in page
    assert "from 1 source, one sentence a line" in page
    corpus = text_of(page, "corpus")
    assert "train 10 2 39" in corpus
    assert "validation 1 1 1 2 9 1" in corpus
    assert re.search(r"lines a document 3\.6 1 1 3 \d 8 8 8", corpus)
    assert "Also counted: cut lines 21." in corpus
    assert f"novels.jsonl {'5' * 64}" in text_of(page, "sources")


def test_the_page_tells_the_vocabularys_figures(report: tuple[str, str]) -> None:
    vocabulary = text_of(report[0], "vocabulary")
    for told in (
        "sentencepiece-bpe as bert, cased",
        "entries 1,234 of 8,000 asked for",
        "lines trained on 39",
        "held out 1 lines of the validation split",
        "held-out words and punctuation marks 2,000 of these [UNK] 3 (0.150%)",
        "tokens a word 1.312",
    ):
        assert told in vocabulary


def test_the_page_tells_the_records_figures_by_split(report: tuple[str, str]) -> None:
    records = text_of(report[0], "records")
    for told in (
        "Objective bert: 128 tokens, pairs with a next sentence to tell, 15% of the tokens masked, 20 at most, 5 passes",
        "instances 40 4",
        "tokens an instance 115.2 128.0",
        "padding 10.0% 0.0%",
        "masked tokens 15.0% 15.0%",
        "second sentence is random 47.5% 50.0%",
    ):
        assert told in records


def test_the_page_tells_the_training_beside_the_baseline(report: tuple[str, str]) -> None:
    assert "unigram model: 5.875" in report[0]
    training = text_of(report[0], "training")
    assert "masked loss 4.5 5.875" in training
    assert "masked accuracy 21.0% 5.0%" in training


def test_documents_are_shown_as_text_and_only_on_the_page(report: tuple[str, str]) -> None:
    page, card = report
    assert "<script" not in page
    examples = text_of(page, "examples")
    assert examples.count("document ") == 6
    for text in ("Sentence 1 of novel", "The only line"):
        assert text not in card
    assert EVIL not in card


def test_direction_marks_of_documents_are_made_visible(tmp_path: Path) -> None:
    uri = write_corpus(tmp_path / "corpus", SHARDS)
    run_stage(TextReportStage(uri, config=TextReportConfig(examples=100)), str(tmp_path / "report"))
    page = (tmp_path / "report" / "report.html").read_text()
    assert "\u202e" not in page
    assert "عربي \\u202e" in page
    assert "&lt;script&gt;alert" in page
    assert page.count("<article") == 11
    assert "validation, document 1: 1 line<" in page
    assert "and 2 more lines" in page


def test_dead_letters_are_shown_with_their_place_and_reason(report: tuple[str, str]) -> None:
    assert "novels.jsonl 77 not JSON" in text_of(report[0], "dead-letters")


def test_the_settings_of_all_stages_are_on_the_page_and_the_card(report: tuple[str, str]) -> None:
    page, card = report
    provenance = text_of(page, "provenance")
    for told in ("urls &#34;replace&#34;", "vocab_size 8000", "dupe_factor 5"):
        assert told in provenance
    for line in ('|  | urls | "replace" |', "|  | vocab\\_size | 8000 |", "|  | masked\\_lm\\_prob | 0.15 |"):
        assert line in card


def test_a_report_does_not_say_where_its_datasets_lay(report: tuple[str, str], tmp_path_factory: pytest.TempPathFactory) -> None:
    for text in report:
        assert str(tmp_path_factory.getbasetemp()) not in text
        assert "downloads" not in text


def test_the_same_inputs_elsewhere_give_the_same_bytes(tmp_path: Path) -> None:
    one, two = (run_stage(make_road(tmp_path / name), str(tmp_path / name / "report")) for name in ("here", "there"))
    assert one.shards == two.shards
    assert one.digest == two.digest
    assert verify(str(tmp_path / "here" / "report")) == []


def test_a_corpus_alone_is_enough(tmp_path: Path) -> None:
    uri = write_corpus(tmp_path / "corpus", SHARDS)
    manifest = run_stage(TextReportStage(uri), str(tmp_path / "report"))
    page, card = ((tmp_path / "report" / name).read_text() for name in ("report.html", "dataset_card.md"))
    assert (manifest.stage, manifest.counters.read, manifest.counters.written) == ("report", 1, 2)
    assert re.findall(r'<section id="([^"]+)"', page) == ["funnel", "corpus", "examples", "provenance"]
    assert "## Vocabulary" not in card
    assert "## Pretraining records" not in card


def test_partial_input_is_said_on_both_and_in_the_manifest(tmp_path: Path) -> None:
    manifest = run_stage(make_road(tmp_path, partial=True), str(tmp_path / "report"))
    assert manifest.partial
    for name in ("report.html", "dataset_card.md"):
        assert "novels was made from input that is known to be incomplete" in (tmp_path / "report" / name).read_text()


def test_a_dataset_in_the_place_of_another_is_refused(tmp_path: Path) -> None:
    stage = make_road(tmp_path)
    assert stage.records_uri is not None
    with pytest.raises(InputError, match="stage records; name one of the stage corpus"):
        run_stage(TextReportStage(stage.records_uri), str(tmp_path / "report"))
    with pytest.raises(InputError, match="stage records; name one of the stage vocabulary"):
        run_stage(TextReportStage(stage.corpus_uri, vocabulary_uri=stage.records_uri), str(tmp_path / "report"))
    assert not (tmp_path / "report" / "manifest.json").exists()


def test_a_shard_that_was_cut_is_refused(tmp_path: Path) -> None:
    uri = write_corpus(tmp_path / "corpus", SHARDS)
    (tmp_path / "corpus" / "train-00001-of-00002.txt").write_text("The only")
    with pytest.raises(InputError, match=r"train-00001-of-00002\.txt has 8 bytes instead of"):
        run_stage(TextReportStage(uri), str(tmp_path / "report"))


@pytest.mark.parametrize("examples", [-1, 101])
def test_settings_of_no_use_are_refused(examples: int) -> None:
    with pytest.raises(ConfigError, match="examples"):
        TextReportConfig(examples=examples)


def test_the_cards_header_is_yaml_of_the_hubs_layout(report: tuple[str, str]) -> None:
    header = yaml.safe_load(report[1].split("---\n")[1])
    assert header["pretty_name"] == "novels"
    assert header["size_categories"] == ["n<1K"]
    assert header["configs"][0]["sample_by"] == "paragraph"
    sizes = {split["name"]: split["num_examples"] for split in header["dataset_info"]["splits"]}
    assert sizes == {"train": 10, "validation": 1}


def test_the_card_lists_splits_vocabulary_records_and_filters(report: tuple[str, str]) -> None:
    for line in (
        "| train | 10 | 2 | 39 |",
        "| | dropped: empty | 4 | 25.0% |",
        "| | written | 40 lines | |",
        "| entries | 1,234 of 8,000 asked for |",
        "| of these \\[UNK\\] | 3 (0.150%) |",
        "| | train | validation |\n| --- | ---: | ---: |\n| instances | 40 | 4 |",
        "3 of the 11 documents have one line only",
        "made by Threadmill",
        "## Licence and removal",
    ):
        assert line in report[1]


def test_the_cards_way_to_load_works(tmp_path: Path, report: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    write_corpus(tmp_path / "corpus", SHARDS)
    code = report[1].split("```python\n")[1].split("# or with")[0]
    monkeypatch.chdir(tmp_path / "corpus")
    namespace: dict[str, Any] = {}
    exec(code, namespace)
    assert namespace["documents"] == [document for shard in SHARDS["train"] for document in shard]


def test_the_cards_ways_to_load_with_hugging_face_work(
    tmp_path: Path, report: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the code it shows, and by its header where it lies in the folder as the hub wants it."""
    for name in ("HF_HOME", "HF_DATASETS_CACHE"):
        monkeypatch.setenv(name, str(tmp_path / "cache"))
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    write_corpus(tmp_path / "corpus", SHARDS)
    (tmp_path / "corpus" / "README.md").write_text(report[1])
    monkeypatch.chdir(tmp_path / "corpus")
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    namespace: dict[str, Any] = {}
    exec(report[1].split("# or with Hugging Face datasets, a document a row\n")[1].split("```")[0], namespace)
    for loaded in (namespace["examples"], datasets.load_dataset(str(tmp_path / "corpus"))):
        assert {split: rows.num_rows for split, rows in loaded.items()} == {"train": 10, "validation": 1}
        texts = [row["text"].rstrip("\n").split("\n") for row in loaded["train"]]
        assert texts == [document for shard in SHARDS["train"] for document in shard]
