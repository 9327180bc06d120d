"""Settings of the dialogues stage."""

from dataclasses import dataclass

from threadmill.config import check_settings, setting
from threadmill.conversations.config import FORMATS
from threadmill.errors import ConfigError

AUTO = "auto"
PARLAI, NUMBERED, ACTS, JSON_LINES, TFRECORD = "parlai", "numbered", "conversations", "jsonl", "tfrecord"
SOURCE_FORMATS = {
    PARLAI: "ParlAI's text:...<TAB>labels:... lines",
    NUMBERED: "its older numbered lines",
    ACTS: "its JSON lines with a dialog",
    JSON_LINES: "examples with context, response, context/0, ... as JSON",
    TFRECORD: "or as TFRecords",
}


@dataclass(frozen=True)
class DialoguesConfig:
    """How dialogue sets are read, split and written. Files whose names say train, valid or test are what they say.

    The splits are fractions of the dialogues of other files, and of those that say train where none says valid or test.
    """

    source_format: str = setting(
        AUTO,
        f"What the sources are ({', '.join(f'{name}: {what}' for name, what in SOURCE_FORMATS.items())}); auto: told by how "
        "each begins",
        choices=(AUTO, *SOURCE_FORMATS),
    )
    parent_depth: int = setting(10, "Turns before the response at most", minimum=1, maximum=100)
    label_turns: str = setting(
        "second",
        "Of a whole conversation in ParlAI's JSON lines, whose turns are responses: the second speaker's, the first's, or both's",
        choices=("second", "first", "both"),
    )
    validation_split: float = setting(0.05, "Fraction of the dialogues for validation", minimum=0, maximum=1)
    test_split: float = setting(0.0, "Fraction of the dialogues for testing", minimum=0, maximum=1)
    format: str = setting("tfrecord", "How examples are written", choices=FORMATS)
    max_bad_fraction: float = setting(
        0.01, "Lines that cannot be parsed, of all that are read, above which the run fails", minimum=0, maximum=1
    )

    def __post_init__(self) -> None:
        check_settings(self)
        if self.validation_split + self.test_split >= 1:
            raise ConfigError(
                f"validation_split {self.validation_split:g} + test_split {self.test_split:g} leave nothing to train on; "
                "they must be below 1 together"
            )
