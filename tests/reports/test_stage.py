import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from tests.reports.made import example, write_conversations, write_dataset
from threadmill.corpora.dialogues.stage import DialoguesStage
from threadmill.datasets.counters import Counters
from threadmill.datasets.dataset import Dataset, verify
from threadmill.datasets.manifest import InputEntry, Manifest
from threadmill.engine.run import run_stage
from threadmill.errors import ConfigError, InputError
from threadmill.reports.config import ReportConfig
from threadmill.reports.stage import ReportStage

EVIL = "</p><script>alert('x')</script><img src=https://example.org/x onerror=alert(1)>"
DEEP = {"context/0": "before", "context/1": EVIL}
SHARDS: dict[str, list[list[dict[str, str]]]] = {
    "train": [[example(n, **DEEP) for n in range(12)], [example(n, subreddit="science") for n in range(20, 25)]],
    "validation": [[example(30, subreddit=EVIL, response_author=EVIL)]],
    "test": [[]],
}


def make_road(root: Path, format: str = "jsonl") -> ReportStage:
    """A run's datasets, from the dump to the evaluation."""
    letter = {"file": "RC_2005-12.zst", "line": 77, "reason": "malformed JSON", "detail": EVIL, "text": EVIL}
    comments = write_dataset(
        root / "comments",
        "ingest",
        {"RC_2005-12-00000-of-00001.parquet": (b"rows", 68)},
        Counters(69, 68, 68, {"malformed JSON": 1}),
        dead_letters={"dead_letters.jsonl": (orjson.dumps(letter) + b"\n", 1)},
    )
    source = InputEntry("RC_2005-12.zst", "5" * 64, str(root / "downloads" / "RC_2005-12.zst"))
    manifest = Dataset.open(comments).manifest
    (root / "comments" / "manifest.json").write_bytes(
        orjson.dumps(Manifest.from_json({**manifest.to_json(), "inputs": [vars(source)]}).to_json())
    )
    threads = write_dataset(root / "threads", "threads", {}, Counters(68, 68, 68), made_from=[root / "comments"])
    config = {"min_length": 9, "max_length": 127, "cut_at_tombstones": True, "note": EVIL}
    conversations = write_conversations(root / "talk", SHARDS, format, made_from=[root / "threads"], config=config)
    losses = b"".join(orjson.dumps({"step": step, "loss": 9 - step / 10}) + b"\n" for step in range(1, 41))
    model = write_dataset(root / "model", "train", {"losses.jsonl": (losses, 40)}, Counters(18, 18, 1))
    numbers = {"masked_loss": 4.5, "masked_accuracy": 0.21, "unigram_loss": 5.875, "unigram_accuracy": 0.05}
    evaluation = write_dataset(
        root / "evaluation", "evaluate", {"evaluation.json": (orjson.dumps(numbers), 1)}, Counters(2, 2, 1)
    )
    return ReportStage(comments, threads, conversations, model_uri=model, evaluation_uri=evaluation)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """The page and the card."""
    root = tmp_path_factory.mktemp("road")
    run_stage(make_road(root), str(root / "report"))
    return (root / "report" / "report.html").read_text(), (root / "report" / "dataset_card.md").read_text()


class Tags(HTMLParser):
    """Collects what a browser would make of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes.extend(attrs)
        if tag not in ("meta", "path", "use", "rect"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes.extend(attrs)

    def handle_endtag(self, tag: str) -> None:
        if tag in self.open:
            assert self.open.pop() == tag


def test_the_page_has_every_section(report: tuple[str, str]) -> None:
    sections = re.findall(r'<section id="([^"]+)"', report[0])
    assert sections == ["funnel", "checks", "conversations", "training", "examples", "dead-letters", "provenance"]
    assert report[0].count("<svg") == 6


def test_the_page_tells_the_numbers_of_the_run(report: tuple[str, str]) -> None:
    page = report[0]
    for told in (
        "18 context/response examples from 68 comments",
        "masked accuracy",
        "0.21",
        "unigram model: 5.875",
        "RC_2005-12.zst",
        "5" * 64,
    ):
        assert told in page


def test_the_page_needs_no_network_and_runs_no_script(report: tuple[str, str]) -> None:
    parsed = Tags(report[0])
    assert not {"script", "img", "link", "iframe", "object"} & set(parsed.tags)
    assert not [name for name, _ in parsed.attributes if name.startswith("on") or name in ("src", "action")]
    assert all((value or "").startswith("#") for name, value in parsed.attributes if name.endswith("href"))
    assert "@import" not in report[0]
    assert parsed.open == []


def test_text_of_others_is_shown_as_text(report: tuple[str, str]) -> None:
    page, card = report
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "alert" in page
    assert EVIL not in card


def test_a_report_does_not_say_where_its_datasets_lay(report: tuple[str, str], tmp_path_factory: pytest.TempPathFactory) -> None:
    for text in report:
        assert str(tmp_path_factory.getbasetemp()) not in text
        assert "downloads" not in text


@pytest.mark.parametrize("format", ["jsonl", "tfrecord"])
def test_the_same_inputs_elsewhere_give_the_same_bytes(tmp_path: Path, format: str) -> None:
    one, two = (run_stage(make_road(tmp_path / name, format), str(tmp_path / name / "report")) for name in ("here", "there"))
    assert one.shards == two.shards
    assert one.digest == two.digest
    assert verify(str(tmp_path / "here" / "report")) == []


def test_conversations_alone_are_enough(tmp_path: Path) -> None:
    uri = write_conversations(tmp_path / "talk", {"train": [[example(1)]]})
    manifest = run_stage(ReportStage(None, None, uri), str(tmp_path / "report"))
    page = (tmp_path / "report" / "report.html").read_text()
    assert (manifest.counters.read, manifest.counters.written) == (1, 2)
    assert 'id="training"' not in page
    assert 'id="dead-letters"' not in page


def test_a_dialogue_set_is_not_told_to_be_reddits(tmp_path: Path) -> None:
    (tmp_path / "set.txt").write_text("text:how are you?\tlabels:fine, and you?\tepisode_done:True\n")
    run_stage(DialoguesStage([str(tmp_path / "set.txt")]), str(tmp_path / "talk"))
    run_stage(ReportStage(None, None, str(tmp_path / "talk")), str(tmp_path / "report"))
    card = (tmp_path / "report" / "dataset_card.md").read_text()
    assert "1 context/response examples." in card
    assert "Reddit" not in card
    assert "- reddit" not in card


def test_the_report_shows_as_much_as_is_asked_for(tmp_path: Path) -> None:
    uri = write_conversations(tmp_path / "talk", {"train": [[example(n, subreddit=f"sub{n:02d}") for n in range(30)]]})
    run_stage(ReportStage(None, None, uri, config=ReportConfig(examples=2, top_subreddits=7)), str(tmp_path / "report"))
    page = (tmp_path / "report" / "report.html").read_text()
    assert page.count("<article") == 2
    assert "Examples of the 7 largest of 30 subreddits" in page


def test_partial_input_is_said_on_both_and_in_the_manifest(tmp_path: Path) -> None:
    uri = write_conversations(tmp_path / "talk", {"train": [[example(1)]]}, partial=True)
    manifest = run_stage(ReportStage(None, None, uri), str(tmp_path / "report"))
    assert manifest.partial
    for name in ("report.html", "dataset_card.md"):
        assert "known to be incomplete" in (tmp_path / "report" / name).read_text()


def test_a_dataset_of_another_stage_is_refused(tmp_path: Path) -> None:
    uri = write_dataset(tmp_path / "comments", "ingest", {}, Counters(1, 1, 1))
    with pytest.raises(InputError, match="name one of the stage conversations or deduplicate"):
        run_stage(ReportStage(None, None, uri), str(tmp_path / "report"))
    assert not (tmp_path / "report" / "manifest.json").exists()


@pytest.mark.parametrize("wrong", [{"examples": -1}, {"top_subreddits": 0}])
def test_settings_of_no_use_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        ReportConfig(**wrong)


def header_of(card: str) -> dict[str, Any]:
    header: dict[str, Any] = yaml.safe_load(card.split("---\n")[1])
    return header


def test_the_cards_header_is_yaml_of_the_hubs_layout(report: tuple[str, str]) -> None:
    header = header_of(report[1])
    assert header["pretty_name"] == "talk"
    assert header["size_categories"] == ["n<1K"]
    assert header["configs"][0]["data_files"][0] == {"split": "train", "path": "train-*.jsonl"}
    assert {feature["name"] for feature in header["dataset_info"]["features"]} >= {"context", "response", "context/0"}
    sizes = {split["name"]: split["num_examples"] for split in header["dataset_info"]["splits"]}
    assert sizes == {"train": 17, "validation": 1, "test": 0}


def test_the_card_lists_splits_fields_filters_and_settings(report: tuple[str, str]) -> None:
    card = report[1]
    for line in (
        "| train | 17 | 2 |",
        "| `response` | bytes | the reply |",
        "| | dropped: top level | 40 | 58.8% |",
        "|  | min\\_length | 9 |",
        "at most 127 characters",
        "## Licence and removal",
    ):
        assert line in card
    assert "mark of a removed comment" not in card


def test_the_cards_way_to_load_works(tmp_path: Path, report: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    write_conversations(tmp_path / "talk", SHARDS)
    code = report[1].split("```python\n")[1].split("# or with")[0]
    monkeypatch.chdir(tmp_path / "talk")
    namespace: dict[str, Any] = {}
    exec(code, namespace)
    assert len(list(namespace["examples"])) == 17


@pytest.mark.parametrize("format", ["jsonl", "parquet"])
def test_the_cards_way_to_load_with_hugging_face_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format: str) -> None:
    """Features that the first file lacks, that look like dates, or that no example has; a split without examples."""
    for name in ("HF_HOME", "HF_DATASETS_CACHE"):
        monkeypatch.setenv(name, str(tmp_path / "cache"))
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    deep = example(3, created_utc="1136073600", **{"context/0": "2006-01-01 00:00:00", "context/1": "é\u2028"})
    shards = {"train": [[example(1), example(2)], [deep]], "validation": [[example(4)]], "test": [[]]}
    uri = write_conversations(tmp_path / "talk", shards, format)
    run_stage(ReportStage(None, None, uri), str(tmp_path / "report"))
    code = (tmp_path / "report" / "dataset_card.md").read_text().split("```python\n")[1].split("```")[0]
    monkeypatch.chdir(tmp_path / "talk")
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    namespace: dict[str, Any] = {}
    exec(code, namespace)
    loaded = namespace["examples"]
    assert {split: rows.num_rows for split, rows in loaded.items()} == {"train": 3, "validation": 1}
    assert {feature.dtype for feature in loaded["train"].features.values()} == {"string"}
    assert {name: text for name, text in loaded["train"][2].items() if text is not None} == deep


def test_the_cards_way_to_read_parlais_format_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_stage(make_road(tmp_path, "parlai"), str(tmp_path / "report"))
    card = (tmp_path / "report" / "dataset_card.md").read_text()
    monkeypatch.chdir(tmp_path / "talk")
    namespace: dict[str, Any] = {}
    exec(card.split("```python\n")[1].split("```")[0], namespace)
    assert len(namespace["examples"]) == 17
    assert namespace["examples"][0] == [EVIL, "before", "how are you?", "very well"]
    assert "features" not in header_of(card)["dataset_info"]


def test_the_card_says_what_was_deduplicated_and_taken_down(tmp_path: Path) -> None:
    counters = Counters(60, 18, 18, {"taken_down": 2, "top_level": 40})
    write_conversations(tmp_path / "talk", SHARDS, counters=counters)
    config = {"deduplication": "near", "num_bands": 14, "band_rows": 8, "ngram": 5}
    uri = write_conversations(tmp_path / "kept", SHARDS, stage="deduplicate", config=config, made_from=[tmp_path / "talk"])
    run_stage(ReportStage(None, None, uri), str(tmp_path / "report"))
    card = (tmp_path / "report" / "dataset_card.md").read_text()
    assert '| deduplicate | band\\_rows | 8 |\n|  | deduplication | "near" |' in card
    assert "14 bands of 8 MinHashes each, over shingles of 5 characters" in card
    assert "2 records were left out because authors had asked for it" in card
    assert "| `created_utc` | bytes | when the response was written" in card


@pytest.mark.slow
def test_the_cards_way_to_load_tfrecords_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_stage(make_road(tmp_path, "tfrecord"), str(tmp_path / "report"))
    code = (tmp_path / "report" / "dataset_card.md").read_text().split("```python\n")[1].split("```")[0]
    monkeypatch.chdir(tmp_path / "talk")
    namespace: dict[str, Any] = {}
    exec(code, namespace)
    (batch,) = namespace["examples"]
    assert len(batch["response"]) == 17
    assert set(batch["response"].numpy()) == {b"very well"}


def month_of(folder: Path, number: int, examples: int) -> str:
    """A month's conversations: those of 2006-``number``."""
    seconds = str(1136073600 + (number - 1) * 31 * 86400)
    rows = [example(index, created_utc=seconds, response="r" * (10 * number)) for index in range(examples)]
    return write_conversations(folder, {"train": [rows]})


def test_months_are_plotted_in_their_order_and_the_last_is_compared_with(tmp_path: Path) -> None:
    february, january, march = (month_of(tmp_path / str(number), number, 1000 + number) for number in (2, 1, 3))
    stage = ReportStage(None, None, march, earlier=(january, february))
    manifest = run_stage(stage, str(tmp_path / "report"))
    page = (tmp_path / "report" / "report.html").read_text()
    months = page[page.index('<section id="months">') :]
    assert re.findall(r"<tr><td>(2006-\d\d)</td>", months) == ["2006-01", "2006-02", "2006-03"]
    assert months.count("<svg") == 5
    assert "<td>response characters, mean, change</td><td>&lt;= 0.25</td><td>0.5 (30 after 20)</td><td>FAIL</td>" in page
    assert len(manifest.inputs) == 3


def test_a_month_alone_has_no_plots_over_months(report: tuple[str, str]) -> None:
    assert 'id="months"' not in report[0]


def test_comments_of_several_months_are_one_step_of_the_funnel(tmp_path: Path) -> None:
    folders = [tmp_path / "january", tmp_path / "february"]
    for folder, lines in zip(folders, (40, 30), strict=True):
        write_dataset(folder, "ingest", {}, Counters(lines, lines - 1, lines - 1, {"malformed JSON": 1}))
    threads = write_dataset(tmp_path / "threads", "threads", {}, Counters(68, 68, 68), made_from=folders)
    talk = write_conversations(tmp_path / "talk", SHARDS, made_from=[tmp_path / "threads"])
    run_stage(ReportStage(tuple(map(str, folders)), threads, talk), str(tmp_path / "report"))
    page = (tmp_path / "report" / "report.html").read_text()
    funnel = re.sub(r"<[^>]+>|\s+", " ", page[page.index("<h2>Funnel") : page.index('<section id="checks"')])
    assert re.search(r"ingest\s+read\s+70\s+lines\s+dropped: malformed JSON\s+2\s+lines", funnel)
    assert len(re.findall(r"ingest\s+read", funnel)) == 1


def test_deduplicated_conversations_come_after_those_they_were_made_from(tmp_path: Path) -> None:
    write_conversations(tmp_path / "talk", SHARDS)
    config = {"deduplication": "exact"}
    counters = Counters(18, 12, 12, {"exact_duplicate": 6})
    kept = {"train": SHARDS["train"][:1]}
    made_from = [tmp_path / "talk"]
    uri = write_conversations(tmp_path / "kept", kept, stage="deduplicate", counters=counters, config=config, made_from=made_from)
    run_stage(ReportStage(None, None, uri), str(tmp_path / "report"))
    page = (tmp_path / "report" / "report.html").read_text()
    assert "12 context/response examples from 68 comments of r/reddit.com" in page
    assert page.index("<td>conversations</td>") < page.index("<td>deduplicate</td>")
    assert "dropped: exact duplicate" in page
