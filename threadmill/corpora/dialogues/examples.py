"""What readers of dialogue sets give: an example a message, or why there is none."""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from threadmill.corpora.text.texts import DeadLetter

REFERENCE_FEATURES = ("context_author", "response_author", "subreddit", "thread_id")
OWN_FEATURES = ("context_authors", "context_ids", "created_utc", "example_id", "root_kind")

NO_CONTEXT, NO_RESPONSE = "no_context", "no_response"


@dataclass(frozen=True, slots=True)
class DialogueExample:
    """An example.

    Attributes:
        features: text by name; see `dialogue_features`.
        key: the same for all examples of a dialogue, and for a copy of it: what its split depends on.
    """

    features: dict[str, str]
    key: str


@dataclass(frozen=True, slots=True)
class DroppedMessage:
    """A message that gives no example, though nothing is wrong with it."""

    reason: str


Message = DialogueExample | DroppedMessage | DeadLetter
"""What became of a message; `DeadLetter` where it could not be parsed."""


def dialogue_features(parent_depth: int) -> tuple[str, ...]:
    """The features that an example may have, sorted: those of a conversations dataset."""
    extra = (f"context/{number}" for number in range(parent_depth - 1))
    return tuple(sorted([*REFERENCE_FEATURES, *OWN_FEATURES, "context", "response", *extra], key=str.encode))


def is_text(turn: object) -> bool:
    """Whether a turn says anything."""
    return isinstance(turn, str) and not (turn == "" or turn.isspace())


class Episode:
    """One dialogue as it is read, and the turns that were said in it: as many as an example holds.

    Args:
        source: the name of its file.
    """

    def __init__(self, source: str, parent_depth: int) -> None:
        self._source = source
        self._turns: deque[str] = deque(maxlen=parent_depth)
        self._thread = self._key = ""

    def end(self) -> None:
        """The next turn is another dialogue's."""
        self._turns.clear()
        self._thread = self._key = ""

    def forget(self) -> None:
        """What was said before does not lead to what comes: a message between them was lost."""
        self._turns.clear()

    def say(self, turns: Iterable[str], line: int) -> None:
        """Adds turns, less those that say nothing."""
        for turn in turns:
            if is_text(turn):
                self._begin(turn, line)
                self._turns.append(turn)

    def answer(self, response: str, line: int) -> DialogueExample | DroppedMessage:
        """The example of a response to the turns so far, to which it is then added."""
        if not is_text(response):
            return DroppedMessage(NO_RESPONSE)
        context = list(self._turns)
        self._begin(response, line)
        self._turns.append(response)
        if not context:
            return DroppedMessage(NO_CONTEXT)
        features = {"thread_id": self._thread, "example_id": f"{self._source}:{line}"}
        return DialogueExample({**features, **turn_features(context, response)}, self._key)

    def _begin(self, turn: str, line: int) -> None:
        if not self._thread:
            self._thread, self._key = f"{self._source}:{line}", turn


def turn_features(context: Sequence[str], response: str) -> dict[str, str]:
    """The turns, oldest first, under their features' names: context is the last, context/0 the one before it."""
    *older, last = context
    return {"context": last, "response": response, **{f"context/{number}": turn for number, turn in enumerate(reversed(older))}}
