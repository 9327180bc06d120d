from pathlib import Path

import orjson
import pytest

from tests.reports.made import example, write_conversations, write_corpus, write_dataset
from threadmill.datasets.counters import Counters
from threadmill.errors import InputError
from threadmill.reports.overview import overview


def test_a_run_over_text_shows_its_funnel_documents_scores_and_places(tmp_path: Path) -> None:
    write_corpus(tmp_path / "corpus", {"train": [[["One.", "Two."], ["Three."], ["Four."]]]})
    write_dataset(tmp_path / "records", "records", {}, Counters(3, 3, 7), made_from=[tmp_path / "corpus"])
    scores = {"masked_accuracy": 0.25, "sequences": 1_200}
    evaluation = {"evaluation.json": (orjson.dumps(scores), 1)}
    write_dataset(tmp_path / "evaluation", "evaluate", evaluation, Counters(7, 7, 1))
    write_dataset(tmp_path / "report", "report", {}, Counters(3, 3, 2))
    text = "\n".join(overview(str(tmp_path), 2))
    assert text.index("corpus ") < text.index("records ") < text.index("evaluate ")
    assert "3 documents" in text.split("evaluate")[0].split("records ", 1)[1]
    assert "\nDocuments\n\nOne.\nTwo.\n\nThree.\n" in text
    assert "Four." not in text
    assert "Conversations" not in text
    assert "1,200" in text
    assert f"Report: {tmp_path}/report/report.html" in text


def test_a_run_over_conversations_shows_some(tmp_path: Path) -> None:
    write_conversations(tmp_path / "talk", {"train": [[example(1), example(2)]]})
    text = "\n".join(overview(str(tmp_path), 1))
    assert text.count("very well") == 1
    assert "Documents" not in text


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="name the folder of a run"):
        list(overview(str(tmp_path), 1))
