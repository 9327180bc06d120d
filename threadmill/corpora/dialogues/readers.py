"""The registry of formats: how a part of each is read to messages."""

from collections import Counter
from collections.abc import Callable, Iterator

from threadmill.corpora.addresses import public_uri
from threadmill.corpora.dialogues.config import ACTS, JSON_LINES, NUMBERED, PARLAI, TFRECORD, DialoguesConfig
from threadmill.corpora.dialogues.content import BYTE_ORDER_MARK, read_content, read_lines
from threadmill.corpora.dialogues.examples import Message, dialogue_features
from threadmill.corpora.dialogues.json_lines import example_of, read_conversations, read_json_examples
from threadmill.corpora.dialogues.parlai_text import Lines, read_numbered, read_parlai
from threadmill.corpora.dialogues.parts import DialoguePart
from threadmill.corpora.text.texts import DeadLetter

_Reader = Callable[[DialoguePart, DialoguesConfig, Counter[str]], Iterator[Message]]


def read_messages(part: DialoguePart, config: DialoguesConfig, counts: Counter[str]) -> Iterator[Message]:
    """What became of each message of ``part``, in order.

    Args:
        counts: of what a message held besides and was not taken: ``label_candidates``, ``rewards``, ``other_labels``.

    Raises:
        InputError, IntegrityError: the file is damaged.
    """
    return READERS[part.source.format](part, config, counts)


def _lines(part: DialoguePart) -> Lines:
    for number, line in enumerate(read_lines(part.source.uri, part.start, part.stop), part.first):
        yield number, (line.removeprefix(BYTE_ORDER_MARK) if number == 1 else line).rstrip(b"\r\n")


def _parlai(part: DialoguePart, config: DialoguesConfig, counts: Counter[str]) -> Iterator[Message]:
    return read_parlai(_lines(part), part.source.name, config.parent_depth, counts)


def _numbered(part: DialoguePart, config: DialoguesConfig, counts: Counter[str]) -> Iterator[Message]:
    return read_numbered(_lines(part), part.source.name, config.parent_depth, counts)


def _acts(part: DialoguePart, config: DialoguesConfig, counts: Counter[str]) -> Iterator[Message]:
    return read_conversations(_lines(part), part.source.name, config.parent_depth, config.label_turns)


def _json_lines(part: DialoguePart, config: DialoguesConfig, counts: Counter[str]) -> Iterator[Message]:
    return read_json_examples(_lines(part), part.source.name, config.parent_depth)


def _tfrecord(part: DialoguePart, config: DialoguesConfig, counts: Counter[str]) -> Iterator[Message]:
    import numpy as np

    from threadmill.datasets.tfrecord import decode_columns

    buffer = np.frombuffer(b"".join(read_content(part.source.uri, part.start, part.stop)), np.uint8)
    where = f"{public_uri(part.source.uri)}, counted from its record {part.first:,}"
    table = decode_columns(buffer, dialogue_features(config.parent_depth), where)
    for number, row in enumerate((row for batch in table.to_batches(1 << 12) for row in batch.to_pylist()), part.first):
        try:
            features = {name: value.decode() for name, value in row.items() if value is not None}
        except UnicodeDecodeError as error:
            yield DeadLetter(number, "not UTF-8", str(error), "")
        else:
            yield example_of(features, part.source.name, number, config.parent_depth)


READERS: dict[str, _Reader] = {
    PARLAI: _parlai,
    NUMBERED: _numbered,
    ACTS: _acts,
    JSON_LINES: _json_lines,
    TFRECORD: _tfrecord,
}
