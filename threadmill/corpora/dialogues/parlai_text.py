"""Reads ParlAI's text formats: a message a line, whose text is said to the model and whose label it should answer.

Source: the readers' code in ParlAI 1.7: ``str_to_msg`` (parlai/utils/misc.py) and ``ParlAIDialogTeacher`` for
``text:...<TAB>labels:...<TAB>episode_done:True``, ``FbDeprecatedDialogTeacher`` (both parlai/core/teachers.py) for the older
``1 text<TAB>labels<TAB>reward<TAB>candidates``, whose number is 1 where an episode begins.

- Text and labels have ``\\n`` and ``\\t`` for line ends and tabs, and ``__PIPE__`` for the bar that stands between labels.
- A text of several lines is several turns, such as a persona and what was said then.
- Of several labels the first is taken: the others answer the same, and an episode goes on from one of them only.
- Texts and first labels of an episode are the context of its later messages, as ParlAI's agents take them.
- ``__SILENCE__`` is a turn without words, which is left out.
- ParlAI takes every value of ``episode_done`` for true, ``False`` too; here ``False`` and ``0`` are not.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from threadmill.conversations.parlai import SILENCE
from threadmill.corpora.dialogues.examples import NO_RESPONSE, DroppedMessage, Episode, Message
from threadmill.corpora.text.texts import DeadLetter

_DONE = re.compile(rb"(?:^|\t)episode_done:([^\t\r\n]*)")
_NUMBERED = re.compile(r"(\d+) (.*)", re.DOTALL)
_NOT_DONE = (b"", b"false", b"0")
_SHOWN = 200  # characters of a line that could not be parsed

Lines = Iterator[tuple[int, bytes]]
"""The number of each line, from 1, and the line without its end."""


@dataclass(frozen=True)
class _Act:
    """A message taken apart; ``labels`` None where the line has no such field."""

    text: str
    labels: str | None
    begins: bool = False
    ends: bool = False


def ends_episode(line: bytes) -> bool:
    """Whether a line of the text format is its episode's last."""
    done = _DONE.search(line)
    return done is not None and done[1].strip().lower() not in _NOT_DONE


def begins_episode(line: bytes) -> bool:
    """Whether a line of the numbered format is its episode's first."""
    return line.startswith(b"1 ")


def read_parlai(lines: Lines, source: str, parent_depth: int, counts: Counter[str]) -> Iterator[Message]:
    """The messages of the text format."""
    return _read(lines, source, parent_depth, counts, numbered=False)


def read_numbered(lines: Lines, source: str, parent_depth: int, counts: Counter[str]) -> Iterator[Message]:
    """The messages of the numbered format."""
    return _read(lines, source, parent_depth, counts, numbered=True)


def _read(lines: Lines, source: str, parent_depth: int, counts: Counter[str], *, numbered: bool) -> Iterator[Message]:
    episode = Episode(source, parent_depth)
    for number, line in lines:
        if not line.strip():
            continue
        act = (_numbered_act if numbered else _act)(number, line, counts)
        if isinstance(act, DeadLetter):
            episode.forget()
            yield act
            if not numbered and ends_episode(line):
                episode.end()
            continue
        if act.begins:
            episode.end()
        episode.say((turn for turn in act.text.split("\n") if turn.strip() != SILENCE), number)
        if act.labels is None:
            yield DroppedMessage(NO_RESPONSE)
        else:
            yield episode.answer(_first_label(act.labels, counts), number)
        if act.ends:
            episode.end()


def _act(number: int, line: bytes, counts: Counter[str]) -> _Act | DeadLetter:
    text = _decoded(number, line)
    if isinstance(text, DeadLetter):
        return text
    fields = {name: value for name, _, value in (part.partition(":") for part in text.split("\t"))}
    if "text" not in fields:
        return DeadLetter(number, "no text", "the line has no field text:", text[:_SHOWN])
    counts["label_candidates"] += "label_candidates" in fields
    counts["rewards"] += "reward" in fields
    return _Act(_unescaped(fields["text"]), fields.get("labels", fields.get("eval_labels")), ends=ends_episode(line))


def _numbered_act(number: int, line: bytes, counts: Counter[str]) -> _Act | DeadLetter:
    text = _decoded(number, line)
    if isinstance(text, DeadLetter):
        return text
    match = _NUMBERED.fullmatch(text)
    if match is None:
        return DeadLetter(number, "no number", "the line does not begin with its number in the episode", text[:_SHOWN])
    said, labels, reward, candidates = [*match[2].split("\t"), "", "", ""][:4]
    counts["label_candidates"] += candidates != ""
    counts["rewards"] += reward != ""
    return _Act(_unescaped(said), labels or None, begins=begins_episode(line))


def _decoded(number: int, line: bytes) -> str | DeadLetter:
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        return DeadLetter(number, "not UTF-8", str(error), line[:_SHOWN].decode(errors="backslashreplace"))


def _first_label(labels: str, counts: Counter[str]) -> str:
    given = [label for label in map(_unescaped, labels.split("|")) if label.strip()]
    counts["other_labels"] += max(0, len(given) - 1)
    return given[0] if given else ""


def _unescaped(text: str) -> str:
    return text.replace("\\t", "\t").replace("\\n", "\n").replace("__PIPE__", "|")
