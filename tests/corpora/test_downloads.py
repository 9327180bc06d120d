import gzip
import hashlib
import json
import logging
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.corpora.file_server import FileServer
from threadmill.corpora.downloads import Download, download, downloaded
from threadmill.corpora.reddit.ingest import IngestStage
from threadmill.corpora.reddit.sources import source_exists
from threadmill.engine.run import run_stage
from threadmill.errors import ConfigError, DownloadError, InputError
from threadmill.settings import get_settings

CONTENT = bytes(range(256)) * 4000  # about a MB
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("THREADMILL_CACHE", str(tmp_path / "cache"))
    get_settings.cache_clear()
    yield tmp_path / "cache"
    get_settings.cache_clear()


def quickly(url: str) -> Download:
    return download(url, pause=0.001)


def files(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.rglob("*") if path.is_file())


def ranges(server: FileServer) -> list[str]:
    return [headers.get("range", "") for headers in server.requests]


def test_a_file_is_downloaded_once_and_kept_with_its_checksum(cache: Path) -> None:
    with FileServer(CONTENT).running() as server:
        first = quickly(server.address)
        assert (Path(first.path).read_bytes(), first.sha256) == (CONTENT, SHA256)
        assert Path(first.path).is_relative_to(cache)
        assert files(cache) == ["RC_2006-01.zst", "RC_2006-01.zst.json"]
        about = json.loads(Path(first.path + ".json").read_text())
        assert (about["bytes"], about["sha256"], about["url"]) == (len(CONTENT), SHA256, server.address)
        assert quickly(server.address) == first
        assert [headers.get("if-none-match") for headers in server.requests] == [None, '"one"']
        assert downloaded(server.address) == first
        assert len(server.requests) == 2  # not asked again


@pytest.mark.parametrize(("etag", "modified"), [('"one"', None), (None, "Sun, 01 Jan 2006 00:00:00 GMT")])
def test_a_broken_connection_is_gone_on_from(etag: str | None, modified: str | None, caplog: pytest.LogCaptureFixture) -> None:
    server = FileServer(CONTENT, etag=etag, modified=modified, break_after=[300_000, 10, 400_000])
    with server.running(), caplog.at_level(logging.INFO):
        assert quickly(server.address).sha256 == SHA256
    assert ranges(server) == ["", "bytes=300000-", "bytes=300010-", "bytes=700010-"]
    assert [headers.get("if-range") for headers in server.requests[1:]] == [etag or modified] * 3
    assert "the connection broke" in caplog.text


def test_a_server_without_ranges_or_versions_is_asked_for_the_whole_again() -> None:
    for server in (
        FileServer(CONTENT, ranges=False, break_after=[300_000]),
        FileServer(CONTENT, etag=None, break_after=[300_000]),
        FileServer(CONTENT, etag='W/"weak"', break_after=[300_000]),
    ):
        with server.running():
            assert quickly(server.address).sha256 == SHA256
            assert len(server.requests) == 2


@pytest.mark.parametrize("honest", [True, False])
def test_a_file_that_changes_between_two_parts_is_begun_anew(honest: bool) -> None:
    with FileServer(b"a" * 600_000, honest_if_range=honest, break_after=[300_000]).running() as server:

        def change() -> None:
            while not server.requests:
                time.sleep(0.001)
            server.content, server.etag = CONTENT, '"two"'

        changer = threading.Thread(target=change)
        changer.start()
        found = download(server.address, pause=0.1)
        changer.join()
        assert Path(found.path).read_bytes() == CONTENT


def test_a_file_that_got_shorter_is_begun_anew() -> None:
    with FileServer(CONTENT, honest_if_range=False, break_after=[500_000] + [0] * 6).running() as server:
        with pytest.raises(DownloadError, match="go on from byte 500000"):
            quickly(server.address)
        server.content, server.etag = b"short", '"two"'
        assert Path(quickly(server.address).path).read_bytes() == b"short"


def test_a_new_version_on_the_server_replaces_the_one_in_the_cache(cache: Path) -> None:
    with FileServer(CONTENT).running() as server:
        quickly(server.address)
        server.content, server.etag = b"new", '"two"'
        assert Path(quickly(server.address).path).read_bytes() == b"new"
        assert files(cache) == ["RC_2006-01.zst", "RC_2006-01.zst.json"]


def test_without_the_server_the_cache_serves_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    with FileServer(CONTENT).running() as server:
        first = quickly(server.address)
    assert quickly(server.address) == first
    assert "no answer" in caplog.text
    assert "using the file that was downloaded before" in caplog.text


def test_the_checksum_of_the_address_is_held_against_the_file(cache: Path) -> None:
    with FileServer(CONTENT).running() as server:
        wrong = "0" * 64
        with pytest.raises(InputError, match=rf"{server.address}: its SHA-256 is {SHA256}, not {wrong}; it was removed"):
            quickly(f"{server.address}#sha256={wrong}")
        assert files(cache) == []
        assert quickly(f"{server.address}#sha256={SHA256.upper()}").sha256 == SHA256
        asked = len(server.requests)
        quickly(f"{server.address}#sha256={SHA256}")
        assert len(server.requests) == asked  # the checksum says it all
        with pytest.raises(InputError, match="it was removed"):
            quickly(f"{server.address}#sha256={wrong}")
        assert files(cache) == []
        with pytest.raises(InputError, match=r"#sha256=beef: write the checksum as #sha256= and 64 hexadecimal digits"):
            quickly(f"{server.address}#sha256=beef")


def test_a_file_that_was_spoilt_in_the_cache_is_downloaded_again(caplog: pytest.LogCaptureFixture) -> None:
    with FileServer(CONTENT).running() as server:
        path = Path(quickly(server.address).path)
        path.write_bytes(CONTENT[:-1] + b"x")
        assert quickly(server.address).sha256 == SHA256
        assert "was damaged since it was downloaded" in caplog.text
        path.write_bytes(CONTENT[:-1])
        assert Path(downloaded(server.address).path).read_bytes() == CONTENT


def test_faults_that_may_pass_are_waited_out() -> None:
    with FileServer(CONTENT, statuses=[503, 0, 429, 500], break_after=[1000]).running() as server:
        assert quickly(server.address).sha256 == SHA256
        assert len(server.requests) == 5


def test_faults_that_do_not_pass_are_told_after_a_bounded_number_of_tries() -> None:
    with FileServer(CONTENT, statuses=[503] * 20).running() as server:
        with pytest.raises(DownloadError, match=r"the server answered 503; gave up after 7 tries in a row; run the same command"):
            quickly(server.address)
        assert len(server.requests) == 7


@pytest.mark.parametrize(
    ("status", "message"),
    [(404, "does not exist .the server answered 404.; check the address"), (403, "your access"), (418, "answered 418")],
)
def test_an_answer_that_will_not_change_is_told_at_once(status: int, message: str) -> None:
    with FileServer(CONTENT, statuses=[status]).running() as server:
        with pytest.raises(InputError, match=message):
            quickly(server.address)
        assert len(server.requests) == 1


def test_what_is_no_dump_is_told(cache: Path) -> None:
    with (
        FileServer(b"<html>", content_type="text/html; charset=utf-8").running() as server,
        pytest.raises(InputError, match="is a web page, not a dump"),
    ):
        quickly(server.address)
    with FileServer(b"").running() as server, pytest.raises(InputError, match=r"is empty \(0 bytes\)"):
        quickly(server.address)
    assert files(cache) == []


def test_secrets_of_an_address_are_neither_kept_nor_told(cache: Path, caplog: pytest.LogCaptureFixture) -> None:
    with FileServer(CONTENT, statuses=[500]).running() as server, caplog.at_level(logging.DEBUG, "threadmill"):
        found = quickly(server.address.replace("http://", "http://ann:hunter2@") + "?token=swordfish")
        with pytest.raises(InputError) as caught:
            quickly(server.address + "x?token=swordfish")
    kept = "".join(path.read_text() for path in cache.rglob("*.json")) + found.path + caplog.text + str(caught.value)
    assert "swordfish" not in kept
    assert "hunter2" not in kept


def test_addresses_of_files_of_one_name_do_not_share_it() -> None:
    with FileServer(b"one").running() as first, FileServer(b"two").running() as second:
        paths = [quickly(address).path for address in (first.address, second.address, first.address + "?year=2006")]
    assert len(set(paths)) == 3


def test_a_cache_that_is_not_local_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THREADMILL_CACHE", "gs://bucket/cache")
    get_settings.cache_clear()
    with pytest.raises(ConfigError, match="THREADMILL_CACHE"):
        quickly("http://127.0.0.1:1/RC_2006-01.zst")


SCRIPT = "import sys; from threadmill.corpora.downloads import download; print(download(sys.argv[1]).sha256)"


def start(address: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", SCRIPT, address], stdout=subprocess.PIPE, text=True)


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_killed_download_is_gone_on_from(cache: Path) -> None:
    with FileServer(CONTENT, stall_after=[500_000]).running() as server:
        process = start(server.address)
        wait_for(lambda: any(path.stat().st_size >= 400_000 for path in cache.rglob("*.part")))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        (part,) = cache.rglob("*.part")
        left = part.stat().st_size
        assert quickly(server.address).sha256 == SHA256
        assert ranges(server) == ["", f"bytes={left}-"]
        assert files(cache) == ["RC_2006-01.zst", "RC_2006-01.zst.json"]


def test_two_processes_download_one_file_one_after_the_other(cache: Path) -> None:
    with FileServer(CONTENT, stall_after=[500_000]).running() as server:
        processes = [start(server.address) for _ in range(2)]
        wait_for(lambda: any(path.stat().st_size >= 400_000 for path in cache.rglob("*.part")))
        time.sleep(0.3)
        assert len(server.requests) == 1  # the other waits
        server.go.set()
        assert [process.communicate()[0].strip() for process in processes] == [SHA256, SHA256]
        assert [headers.get("if-none-match") for headers in server.requests] == [None, '"one"']


def test_a_web_source_is_ingested_like_a_file(tmp_path: Path) -> None:
    line = b'{"id": "a", "link_id": "t3_x", "body": "text", "author": "ann", "subreddit": "s", "created_utc": 1136073600}\n'
    with FileServer(gzip.compress(line * 50)).running() as server:
        stage = IngestStage((server.address + "?token=swordfish",))
        manifest = run_stage(stage, str(tmp_path / "comments"), workers=1)
        assert manifest.counters.kept == 50
        (entry,) = manifest.inputs
        assert (entry.name, entry.uri) == ("RC_2006-01.zst", server.address)
        assert [shard.name for shard in manifest.shards] == ["RC_2006-01-00000-of-00001.parquet"]
        assert run_stage(stage, str(tmp_path / "comments"), workers=1) == manifest
        with pytest.raises(InputError, match="does not exist"):
            run_stage(IngestStage((server.address + "x",)), str(tmp_path / "none"), workers=1)
    assert not (tmp_path / "none").exists()


def test_whether_a_web_source_is_there_is_asked_of_its_server() -> None:
    with FileServer(CONTENT, statuses=[404, 403, 503]).running() as server:
        assert not source_exists(server.address)
        with pytest.raises(InputError, match="your access"):
            source_exists(server.address)
        with pytest.raises(DownloadError, match="try again later"):
            source_exists(server.address)
        assert source_exists(server.address)
