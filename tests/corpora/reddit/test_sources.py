import gzip
import os
import threading
from pathlib import Path

import fsspec
import pytest

from threadmill.corpora.reddit.dump import read_blocks
from threadmill.corpora.reddit.sources import check_source, fingerprint, refuse_change, source_exists, source_state
from threadmill.datasets.digest import file_digest
from threadmill.errors import InputError


def write(uri: str, content: bytes) -> None:
    with fsspec.open(uri, "wb") as stream:
        stream.write(content)


@pytest.fixture(params=["{}/RC_2006-01.gz", "file://{}/RC_2006-01.gz", "memory://{}/RC_2006-01.gz"])
def uri(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(request.param).format(tmp_path)


def test_any_filesystem_serves(uri: str) -> None:
    write(uri, gzip.compress(b"one\ntwo\n") + gzip.compress(b"three"))
    check_source(uri)
    assert source_exists(uri)
    assert not source_exists(uri + ".no")
    assert b"".join(block.data for block in read_blocks(uri)) == b"one\ntwo\nthree\n"
    assert source_state(uri).digest == file_digest(uri)


def test_a_fault_is_told_with_the_place_on_any_filesystem(uri: str) -> None:
    write(uri, gzip.compress(b"one\ntwo\n")[:-5])
    with pytest.raises(InputError, match=r"RC_2006-01\.gz: truncated: it ends at byte \d+ in the middle of gzip member 1"):
        list(read_blocks(uri))
    with pytest.raises(InputError, match="does not exist"):
        check_source(uri + ".no")
    write(uri, b"")
    with pytest.raises(InputError, match="is empty"):
        check_source(uri)


def test_a_file_written_again_has_another_fingerprint(uri: str) -> None:
    write(uri, b"some")
    before = fingerprint(uri)
    refuse_change(uri, before)
    write(uri, b"same size"[:4])
    assert fingerprint(uri) != before
    with pytest.raises(InputError, match=r"RC_2006-01\.gz changed while it was read"):
        refuse_change(uri, before)


def test_a_file_that_goes_has_none(tmp_path: Path) -> None:
    path = tmp_path / "RC_2006-01.gz"
    path.write_bytes(b"some")
    before = fingerprint(str(path))
    path.unlink()
    with pytest.raises(InputError, match="changed while it was read"):
        refuse_change(str(path), before)


def test_a_source_that_grows_while_its_digest_is_made_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "RC_2006-01"
    path.write_bytes(bytes(30_000_000))
    stopped, begun = threading.Event(), threading.Event()

    def grow() -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND)
        while not stopped.is_set():
            os.write(descriptor, b"x")
            begun.set()
        os.close(descriptor)

    thread = threading.Thread(target=grow)
    thread.start()
    begun.wait()
    try:
        with pytest.raises(
            InputError, match="changed while it was read; let its download or copy end, then run the same command"
        ):
            source_state(str(path))
    finally:
        stopped.set()
        thread.join()
