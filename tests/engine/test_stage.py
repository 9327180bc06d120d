import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from threadmill.datasets.counters import Counters
from threadmill.engine.stage import Task, TaskOutput, TaskResult
from threadmill.errors import IntegrityError

TASK = Task("train-00000-of-00001")


@pytest.fixture
def output(tmp_path: Path) -> TaskOutput:
    return TaskOutput(str(tmp_path))


def result(output: TaskOutput) -> TaskResult:
    return output.result(TASK, Counters(1, 1, 1))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


class TestAShard:
    def test_is_noted_with_its_records_bytes_and_digest(self, output: TaskOutput, tmp_path: Path) -> None:
        with output.shard("train-00000-of-00001.txt") as stream:
            assert stream.write(b"one\n") == 4
            stream.write(memoryview(b"two\n"))
            assert stream.tell() == 8
            stream.records = 2
        (entry,) = result(output).shards
        assert (entry.name, entry.records, entry.bytes) == ("train-00000-of-00001.txt", 2, 8)
        assert entry.sha256 == hashlib.sha256((tmp_path / entry.name).read_bytes()).hexdigest()

    @pytest.mark.parametrize(
        "content",
        [
            np.arange(5, dtype=np.uint8),
            np.arange(6, dtype="<i8").reshape(2, 3),
            np.zeros(0, np.uint8),
            np.zeros(0, np.uint8).data,
            b"",
            bytearray(b"abc"),
            pa.py_buffer(b"arrow"),
        ],
        ids=["uint8", "int64 in rows", "empty array", "empty view", "empty bytes", "bytearray", "arrow"],
    )
    def test_takes_any_contiguous_buffer(self, output: TaskOutput, tmp_path: Path, content: object) -> None:
        with output.shard("file") as stream:
            written = stream.write(content)
        expected = content.tobytes() if isinstance(content, np.ndarray) else bytes(content)  # type: ignore[call-overload]
        assert (tmp_path / "file").read_bytes() == expected
        assert written == stream.bytes == len(expected)

    def test_can_be_written_by_pyarrow(self, output: TaskOutput, tmp_path: Path) -> None:
        table = pa.table({"id": list(range(1000))})
        with output.shard("rows.parquet") as stream:
            pq.write_table(table, stream)
        assert pq.read_table(tmp_path / "rows.parquet") == table
        assert result(output).shards[0].bytes == (tmp_path / "rows.parquet").stat().st_size

    def test_that_failed_is_neither_there_nor_noted(self, output: TaskOutput, tmp_path: Path) -> None:
        def write() -> None:
            with output.shard("file") as stream:
                stream.write(b"half")
                raise ValueError("stop")

        with pytest.raises(ValueError, match="stop"):
            write()
        assert names(tmp_path) == []
        assert result(output).shards == ()


class TestNumberedShards:
    def test_get_their_names_when_their_number_is_known(self, output: TaskOutput, tmp_path: Path) -> None:
        with output.numbered_shards("RC_2006-01", "txt") as shards:
            for content in (b"a\n", b"b\nc\n"):
                with shards.shard() as stream:
                    stream.write(content)
                    stream.records = content.count(b"\n")
            assert all(name.startswith(".writing-") for name in names(tmp_path))
        assert names(tmp_path) == ["RC_2006-01-00000-of-00002.txt", "RC_2006-01-00001-of-00002.txt"]
        assert [(shard.name, shard.records) for shard in result(output).shards] == list(zip(names(tmp_path), [1, 2], strict=True))
        assert (tmp_path / "RC_2006-01-00001-of-00002.txt").read_bytes() == b"b\nc\n"

    def test_none_are_none(self, output: TaskOutput, tmp_path: Path) -> None:
        with output.numbered_shards("RC_2006-01", "txt"):
            pass
        assert names(tmp_path) == []
        assert result(output).shards == ()

    @pytest.mark.parametrize("within", [True, False], ids=["within a shard", "between shards"])
    def test_leave_nothing_when_the_task_fails(self, output: TaskOutput, tmp_path: Path, within: bool) -> None:
        def write() -> None:
            with output.numbered_shards("RC_2006-01", "txt") as shards:
                with shards.shard() as stream:
                    stream.write(b"whole\n")
                with shards.shard() as stream:
                    stream.write(b"ha")
                    if within:
                        raise ValueError("stop")
                raise ValueError("stop")

        with pytest.raises(ValueError, match="stop"):
            write()
        assert names(tmp_path) == []
        assert result(output).shards == ()


class TestDeadLetters:
    def test_are_noted_apart_from_the_shards(self, output: TaskOutput, tmp_path: Path) -> None:
        with output.dead_letters("dead_letters-00000-of-00001.jsonl") as stream:
            stream.write(b"{}\n")
            stream.records = 1
        assert result(output).shards == ()
        assert [entry.name for entry in result(output).dead_letters] == names(tmp_path)

    def test_leave_no_file_where_there_were_none(self, output: TaskOutput, tmp_path: Path) -> None:
        with output.dead_letters("dead_letters-00000-of-00001.jsonl"):
            pass
        assert names(tmp_path) == []
        assert result(output).dead_letters == ()


def test_a_task_s_counters_must_add_up(output: TaskOutput) -> None:
    with pytest.raises(IntegrityError, match="train-00000-of-00001: read 3 but kept 1"):
        output.result(TASK, Counters(3, 1, 1, {"orphan": 1}))


@pytest.mark.parametrize("open_file", [TaskOutput.shard, TaskOutput.dead_letters])
def test_a_name_that_exists_is_replaced_as_a_whole(output: TaskOutput, tmp_path: Path, open_file: Callable[..., object]) -> None:
    (tmp_path / "file").write_bytes(b"an older and longer content")
    with open_file(output, "file") as stream:  # type: ignore[attr-defined]
        stream.write(b"new")
        stream.records = 1
        assert (tmp_path / "file").read_bytes() == b"an older and longer content"
    assert (tmp_path / "file").read_bytes() == b"new"
