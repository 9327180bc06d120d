"""Settings of the rules by which a comment can be no turn of a dialogue."""

from dataclasses import dataclass

from threadmill.config import check_settings, setting
from threadmill.conversations import rule_sources
from threadmill.errors import ConfigError

ANY_SCORE = -(1 << 31)
_NAMES = "names with commas between, files of names (one a line)"


@dataclass(frozen=True)
class RulesConfig:
    """Which rules are on. All are off by default, but for length and tombstones.

    What a setting names by its path is part of the config by its content, in ``rule_digests``: a changed file makes a
    new dataset.

    Attributes:
        rule_digests: (file, list or module, SHA-256) of each that the settings name; filled in here, whatever is given.
    """

    max_length: int = setting(127, "Longest response and context in characters; older turns are trimmed to it", minimum=1)
    min_length: int = setting(9, "Shortest response and context in characters", minimum=0)
    max_unspaced_length: int = setting(0, "Longest comment in characters that holds no space; 0: any", minimum=0)
    min_words: int = setting(0, "Fewest words of a comment; words end at white space", minimum=0)
    max_words: int = setting(0, "Most words of a comment; 0: any", minimum=0)
    max_tokens: int = setting(0, "Most runs of letters, of digits or of other characters in a comment; 0: any", minimum=0)
    max_word_length: int = setting(0, "Longest word in characters; 0: any", minimum=0)
    drop_bots: bool = setting(False, "Comments of known bots, and of authors with a bot's name, are no turns")
    bots: str = setting("", f"Further authors whose comments are no turns: {_NAMES}")
    subreddits: str = setting("", f"The only subreddits with turns: {_NAMES}; empty: all")
    skip_subreddits: str = setting("", f"Subreddits without turns: {_NAMES}, or @non-english")
    min_score: int = setting(
        ANY_SCORE, "Lowest score of a comment; one whose score is not known passes; the lowest number: any", minimum=ANY_SCORE
    )
    drop_urls: bool = setting(False, "Comments with a URL are no turns")
    drop_quotes: str = setting(
        "no", "Comments with > are no turns: at the start of a line, or anywhere", choices=("no", "line", "any")
    )
    drop_non_ascii_start: bool = setting(False, "Comments that begin with a character beyond ASCII are no turns")
    drop_brackets: bool = setting(False, "Comments with a round or square bracket are no turns")
    drop_shouting: bool = setting(False, "Comments with five capitals (A-Z) in a row are no turns")
    drop_repeats: bool = setting(False, "Comments that say a word or phrase three times in a row are no turns")
    drop_echoes: bool = setting(False, "A comment that repeats what it answers, letter for letter, is no response")
    blocklist: str = setting("", "File of words and phrases (one a line); comments with one of them are no turns")
    personal_data: str = setting(
        "keep",
        "E-mail addresses and phone numbers: mask writes [EMAIL] and [PHONE] in their place",
        choices=("keep", "mask", "drop"),
    )
    languages: str = setting("", "ISO 639-1 codes, such as en or en,de; comments surely in another language are no turns")
    language_confidence: float = setting(0.6, "From how sure it is that a comment is in another language", minimum=0, maximum=1)
    rules: str = setting("", "Rules of your own: package.module:function or path/to/file.py:function, with commas between")
    rule_digests: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        check_settings(self)
        if self.max_length < self.min_length:
            raise ConfigError(f"max_length is {self.max_length}; it must be at least min_length ({self.min_length})")
        if 0 < self.max_words < self.min_words:
            raise ConfigError(f"max_words is {self.max_words}; it must be at least min_words ({self.min_words})")
        for code in self.language_codes:
            if len(code) != 2 or not code.isascii() or not code.isalpha():
                raise ConfigError(f"languages names {code!r}; write ISO 639-1 codes of two letters, such as en or en,de")
        object.__setattr__(self, "rule_digests", tuple(dict.fromkeys(self._digests())))

    @property
    def language_codes(self) -> tuple[str, ...]:
        """The codes in `languages`, in lower case."""
        return tuple(code.strip().lower() for code in self.languages.split(",") if code.strip())

    def _digests(self) -> list[tuple[str, str]]:
        names = [self.bots, self.subreddits, self.skip_subreddits, "@known-bots" if self.drop_bots else ""]
        found = [entry for setting in names for entry in rule_sources.list_digests(setting)]
        if self.blocklist:
            found.append((self.blocklist, rule_sources.digest(self.blocklist)))
        return found + [(rule.module, rule_sources.digest(rule.source())) for rule in rule_sources.user_rules(self.rules)]
