import gzip
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.corpora.text.test_stage import ALL_TRAIN, documents, make, write
from threadmill.corpora.text.amazon import COLUMNS
from threadmill.errors import InputError

HEADER = "\t".join(COLUMNS) + "\n"


def review(title: str, body: str) -> str:
    row = dict.fromkeys(COLUMNS, "x") | {"product_title": title, "review_body": body}
    return "\t".join(row.values()) + "\n"


def letters(folder: Path) -> list[tuple[str, int, str]]:
    found = [orjson.loads(line) for path in sorted(folder.glob("dead_letters-*")) for line in path.read_bytes().splitlines()]
    return [(letter["file"], letter["line"], letter["reason"]) for letter in found]


def test_reviews_are_read_without_quoting_and_cleaned_of_html(tmp_path: Path) -> None:
    rows = review('A "quoted title. No. 2', "Good.<br /><BR>It's &#34;great&#34; &amp;lt; that") + review("Second", "") + "\n"
    source = write(tmp_path / "in.tsv.gz", gzip.compress((HEADER + rows).encode()))
    manifest = make(tmp_path, source, field="product_title,review_body", **ALL_TRAIN)
    assert documents(tmp_path / "corpus") == [
        ['A "quoted title. No. 2', "Good.", 'It\'s "great" &lt; that'],
        ["Second"],
    ]
    assert manifest.statistics["formats"] == {"amazon": 1}
    make(tmp_path, source, name="bodies", **ALL_TRAIN)
    assert len(documents(tmp_path / "bodies")) == 1


def test_reviews_that_cannot_be_read_are_dead_letters_up_to_a_bound(tmp_path: Path) -> None:
    good = review("t", "body").encode()
    content = HEADER.encode() + good * 3 + b"too\tfew\n" + review("t", "\udce9").encode("utf-8", "surrogateescape") + good
    source = write(tmp_path / "in.tsv", content)
    message = (
        r"2 of 6 lines \(33\.33%\) hold no text that can be read, more than the bound of 1\.00% \(columns: 1, not UTF-8: 1\); "
        r"the first are in\.tsv line 5 \(columns\), in\.tsv line 6 \(not UTF-8\)"
    )
    with pytest.raises(InputError, match=message):
        make(tmp_path, source, **ALL_TRAIN)
    manifest = make(tmp_path, source, max_bad_fraction=0.5, **ALL_TRAIN)
    assert letters(tmp_path / "corpus") == [("in.tsv", 5, "columns"), ("in.tsv", 6, "not UTF-8")]
    assert manifest.counters.dropped == {"columns": 1, "not UTF-8": 1}
    assert (manifest.counters.read, manifest.counters.kept) == (6, 4)


def test_a_field_that_is_not_there_is_told_with_those_that_are(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": [1], "body": ["text"]}), tmp_path / "in.parquet")
    write(tmp_path / "in.jsonl", '{"id": 1, "body": "text"}\n')
    write(tmp_path / "in.tsv", HEADER + review("a", "b"))
    for name in ("in.parquet", "in.jsonl"):
        with pytest.raises(InputError, match=rf"{name} has no field text; its fields are id, body: name one with --field"):
            make(tmp_path, tmp_path / name)
    with pytest.raises(InputError, match=r"has no field body; its fields are marketplace, "):
        make(tmp_path, tmp_path / "in.tsv", field="body")
    with pytest.raises(InputError, match=r"the field id is of type int64, not text; name another with --field \(body\)"):
        make(tmp_path, tmp_path / "in.parquet", field="id")


def test_json_lines_that_hold_no_text_are_dead_letters(tmp_path: Path) -> None:
    lines = [b'{"text": "one"}', b"", b'{"text": 1}', b'{"text', b'{"other": "x"}', b'{"text": "\xff"}', b'{"text": null}', b"[]"]
    manifest = make(tmp_path, write(tmp_path / "in.jsonl", b"\n".join(lines)), max_bad_fraction=1.0, **ALL_TRAIN)
    assert documents(tmp_path / "corpus") == [["one"]]
    found = letters(tmp_path / "corpus")
    assert [(line, reason) for _, line, reason in found] == [
        (3, "not text"),
        (4, "not JSON"),
        (5, "no field"),
        (6, "not UTF-8"),
        (8, "not text"),
    ]
    assert manifest.counters.dropped["empty"] == 1
    assert manifest.counters.read == 7


def test_parquet_text_that_is_not_utf8_is_a_dead_letter(tmp_path: Path) -> None:
    bad = pa.array([b"good", b"b\xe9d", b"fine"], pa.binary())
    column = pa.StringArray.from_buffers(3, bad.buffers()[1], bad.buffers()[2])
    pq.write_table(pa.table({"text": column}), tmp_path / "in.parquet")
    make(tmp_path, tmp_path / "in.parquet", max_bad_fraction=0.5, **ALL_TRAIN)
    assert documents(tmp_path / "corpus") == [["good"], ["fine"]]
    assert letters(tmp_path / "corpus") == [("in.parquet", 2, "not UTF-8")]


def test_a_cut_parquet_file_is_told(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["x" * 99]}), tmp_path / "whole.parquet")
    source = write(tmp_path / "in.parquet", (tmp_path / "whole.parquet").read_bytes()[:-9])
    with pytest.raises(InputError, match="is no whole Parquet file"):
        make(tmp_path, source)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))


def test_a_saved_dataset_keeps_its_splits(tmp_path: Path, hub: None) -> None:
    import datasets

    splits = {"train": ["One. Two.", "Three."], "validation": ["Four."], "test": ["Five.", None], "unsupervised": ["Six."]}
    saved = datasets.DatasetDict(
        {name: datasets.Dataset.from_dict({"label": [0] * len(texts), "text": texts}) for name, texts in splits.items()}
    )
    saved.save_to_disk(str(tmp_path / "saved"))
    manifest = make(tmp_path, tmp_path / "saved", validation_split=0.0)
    assert documents(tmp_path / "corpus", "train") == [["One.", "Two."], ["Three."], ["Six."]]
    assert documents(tmp_path / "corpus", "validation") == [["Four."]]
    assert documents(tmp_path / "corpus", "test") == [["Five."]]
    assert manifest.counters.dropped == {"empty": 1}
    assert manifest.inputs[0].name == "train/data-00000-of-00001.arrow"


def test_a_saved_dataset_of_one_split_is_split_by_hash(tmp_path: Path, hub: None) -> None:
    import datasets

    texts = [f"Text number {index}." for index in range(300)]
    whole = datasets.Dataset.from_dict({"text": texts})
    whole.filter(lambda row: row["text"] != "Text number 7.").save_to_disk(str(tmp_path / "saved"), num_shards=2)
    manifest = make(tmp_path, tmp_path / "saved", validation_split=0.2)
    assert {split: counts["documents"] > 30 for split, counts in manifest.statistics["splits"].items()} == {
        "train": True,
        "validation": True,
    }
    assert manifest.counters.kept == 299
    (tmp_path / "saved" / "data-00001-of-00002.arrow").unlink()
    with pytest.raises(InputError, match=r"data-00001-of-00002\.arrow is missing, which state\.json names"):
        make(tmp_path, tmp_path / "saved", name="again")


WRAPPED = """CHAPTER I

It was the critical moment of the day. If the inkstand had been where the
old gentleman thought it was, he would have dipped his pen into it, and self-
importance would have done the rest. Mr. Limbkins was of another opinion -
that much was known.
'My boy!' said the old gentleman, 'you look pale and alarmed. What is the
matter?'
'Stand a little away from him, Beadle,' said the other magistrate, who was
laying aside the paper, and leaning forward with an expression of interest.
"""


def test_hard_wrapped_prose_comes_out_as_sentences(tmp_path: Path) -> None:
    manifest = make(tmp_path, write(tmp_path / "in.txt", WRAPPED.replace("\n", "\r\n")), **ALL_TRAIN)
    assert manifest.statistics["formats"] == {"prose": 1}
    assert documents(tmp_path / "corpus") == [
        [
            "CHAPTER I",
            "It was the critical moment of the day.",
            "If the inkstand had been where the old gentleman thought it was, he would have dipped his pen into it, and "
            "self-importance would have done the rest.",
            "Mr. Limbkins was of another opinion - that much was known.",
            "'My boy!' said the old gentleman, 'you look pale and alarmed. What is the matter?'",  # quotes are not cut
            "'Stand a little away from him, Beadle,' said the other magistrate, who was laying aside the paper, and leaning "
            "forward with an expression of interest.",
        ]
    ]


def test_arabic_prose_is_cut_at_its_own_marks(tmp_path: Path) -> None:
    text = "هل أنت مستعد؟ نعم، أنا مستعد. شكرا لك!\nفقرة ثانية. وجملة أخرى؟ نعم.\n"
    make(tmp_path, write(tmp_path / "in.txt", text), language="ar", **ALL_TRAIN)
    assert documents(tmp_path / "corpus") == [
        ["هل أنت مستعد؟", "نعم، أنا مستعد.", "شكرا لك!", "فقرة ثانية.", "وجملة أخرى؟", "نعم."]
    ]


def test_passages_of_prose_end_with_a_paragraph(tmp_path: Path) -> None:
    paragraphs = [f"First of {index}. Second of it. Third of it." for index in range(7)]
    make(tmp_path, write(tmp_path / "in.txt", "\n".join(paragraphs)), format="prose", document_lines=4, **ALL_TRAIN)
    assert [len(document) for document in documents(tmp_path / "corpus")] == [6, 6, 6, 3]


@pytest.mark.parametrize(
    ("content", "format"),
    [
        ("A sentence.\nAnother one.\n\nA third.\n", "lines"),
        ("A sentence. And another one. And more.\nA second paragraph. It goes on.\n", "prose"),
        (WRAPPED, "prose"),
        ('{"text": "x"}\n', "jsonl"),
        (HEADER + review("a", "b"), "amazon"),
        ("short\nlines\nof\nwords\n", "lines"),
    ],
)
def test_a_format_is_told_by_how_a_file_begins(tmp_path: Path, content: str, format: str) -> None:
    for name, data in (
        ("in", content.encode()),
        ("in.gz", gzip.compress(content.encode())),
        ("in.bom", b"\xef\xbb\xbf" + content.encode()),
    ):
        manifest = make(tmp_path, write(tmp_path / name, data), name=name + ".d", **ALL_TRAIN)
        assert manifest.statistics["formats"] == {format: 1}


def test_another_file_is_not_taken_for_reviews(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not begin with the line of the 15 names of the reviews' columns"):
        make(tmp_path, write(tmp_path / "in.tsv", "a\tb\n1\t2\n"), format="amazon")
