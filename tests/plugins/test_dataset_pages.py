from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from plugins import dataset_pages
from threadmill.datasets.counters import Counters
from threadmill.datasets.digest import file_digest
from threadmill.datasets.manifest import Field, FileEntry, InputEntry, Manifest, write_manifest
from threadmill.settings import get_settings

EVIL = "<script>alert(1)</script>"


def write_dataset(
    root: Path, path: str, files: dict[str, str], *, stage: str = "conversations", inputs: tuple[InputEntry, ...] = ()
) -> None:
    folder = root / path
    folder.mkdir(parents=True)
    entries = []
    for name, text in files.items():
        (folder / name).write_text(text)
        entries.append(FileEntry(name, 1, len(text.encode()), file_digest(str(folder / name))))
    counters = Counters(1_075, 36, 36, {"top_level": 1_039})
    manifest = Manifest(path, stage, 1, {"note": EVIL}, inputs, (Field("context", "bytes"),), tuple(entries), counters)
    write_manifest(str(folder), manifest)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    root = tmp_path / "root"
    root.mkdir()
    monkeypatch.setenv("THREADMILL_ROOT", str(root))
    get_settings.cache_clear()
    yield root
    get_settings.cache_clear()


@pytest.fixture
def client(root: Path) -> Iterator[TestClient]:
    """One who is signed in, before the pages as Airflow mounts them."""
    application = dataset_pages.application
    application.dependency_overrides[dataset_pages.signed_in] = lambda: None
    airflow = FastAPI()
    airflow.mount("/threadmill", application)
    with TestClient(airflow) as client:
        yield client
    application.dependency_overrides.clear()


def test_the_list_names_each_dataset_below_the_root_and_links_to_it(root: Path, client: TestClient) -> None:
    write_dataset(root, "reddit/2005-12/conversations", {"train-00000-of-00001.jsonl": "{}\n"})
    write_dataset(root, "reddit/2006-01/conversations", {"train-00000-of-00001.jsonl": "{}\n"})
    (root / "reddit" / "half").mkdir()
    page = client.get("/threadmill/").text
    assert 'href="/threadmill/datasets/reddit/2005-12/conversations"' in page
    assert 'href="/threadmill/datasets/reddit/2006-01/conversations"' in page
    assert "half" not in page


def test_an_empty_root_says_what_to_do(client: TestClient) -> None:
    assert "THREADMILL_ROOT" in client.get("/threadmill/").text


def test_a_damaged_manifest_is_shown_as_such_beside_the_others(root: Path, client: TestClient) -> None:
    write_dataset(root, "good", {"a": "x"})
    write_dataset(root, "spoilt", {"a": "x"})
    (root / "spoilt" / "manifest.json").write_text("{")
    answer = client.get("/threadmill/")
    assert answer.status_code == 200
    assert "is not a manifest" in answer.text
    assert "/threadmill/datasets/good" in answer.text
    assert client.get("/threadmill/datasets/spoilt").status_code == 500


def test_a_dataset_page_shows_counters_files_settings_and_links_its_inputs(root: Path, client: TestClient) -> None:
    write_dataset(root, "threads", {"t": "x"}, stage="threads")
    made_from = (InputEntry("threads", "d" * 64, str(root / "threads")), InputEntry("dump", "e" * 64, "/elsewhere/dump.zst"))
    write_dataset(root, "conversations", {"train-00000-of-00001.jsonl": "{}\n"}, inputs=made_from)
    page = client.get("/threadmill/datasets/conversations").text
    assert "1,039" in page
    assert "dropped: top level" in page
    assert "train-00000-of-00001.jsonl" in page
    assert 'href="/threadmill/datasets/threads"' in page
    assert "dump" in page
    assert "elsewhere" not in page


def test_what_a_manifest_holds_is_escaped(root: Path, client: TestClient) -> None:
    write_dataset(root, "conversations", {EVIL.replace("/", ""): "x"})
    page = client.get("/threadmill/datasets/conversations").text
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_a_report_is_shown_in_a_frame_that_can_do_nothing(root: Path, client: TestClient) -> None:
    write_dataset(root, "report", {"report.html": "<p>the report</p>", "dataset_card.md": "# card"}, stage="report")
    page = client.get("/threadmill/datasets/report").text
    assert '<iframe src="/threadmill/reports/report" sandbox=""' in page
    report = client.get("/threadmill/reports/report")
    assert report.text == "<p>the report</p>"
    assert report.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    card = client.get("/threadmill/cards/report")
    assert card.text == "# card"
    assert card.headers["content-type"].startswith("text/plain")


def test_a_dataset_without_report_has_none_to_show(root: Path, client: TestClient) -> None:
    write_dataset(root, "conversations", {"report.md": "x"})
    assert "iframe" not in client.get("/threadmill/datasets/conversations").text.split("</style>")[1]
    assert client.get("/threadmill/reports/conversations").status_code == 404


@pytest.mark.parametrize("page", ["datasets", "reports", "cards"])
@pytest.mark.parametrize(
    "path",
    [
        "..%2foutside",
        "%2e%2e/outside",
        "inner/%2e%2e/%2e%2e/outside",
        "inner/..%2f..%2foutside",
        "%2fetc",
        "/outside",
        "link",
        ".hidden",
        "inner%00",
        "..%5coutside",
        "",
        "%2e",
        "nothing",
    ],
)
def test_paths_that_lead_out_of_the_root_or_to_no_dataset_are_refused(
    root: Path, client: TestClient, page: str, path: str
) -> None:
    files = {"report.html": "secret", "dataset_card.md": "secret"}
    write_dataset(root.parent, "outside", files)
    write_dataset(root, ".hidden", files)
    write_dataset(root, "inner", files)
    (root / "link").symlink_to(root.parent / "outside")
    answer = client.get(f"/threadmill/{page}/{path}", follow_redirects=False)
    assert answer.status_code == 404
    assert "secret" not in answer.text


def test_a_link_out_of_the_root_is_not_listed(root: Path, client: TestClient) -> None:
    write_dataset(root.parent, "outside", {"a": "x"})
    (root / "link").symlink_to(root.parent / "outside")
    assert "datasets/link" not in client.get("/threadmill/").text


@pytest.mark.parametrize("path", ["", "datasets/a", "reports/a", "cards/a"])
def test_who_is_not_signed_in_to_airflow_is_refused(root: Path, path: str) -> None:
    write_dataset(root, "a", {"report.html": "secret"})
    airflow = FastAPI()
    airflow.mount("/threadmill", dataset_pages.application)
    answer = TestClient(airflow).get(f"/threadmill/{path}")
    assert answer.status_code == 401
    assert "secret" not in answer.text
