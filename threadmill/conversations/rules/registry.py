"""All rules that look at one comment alone, in the order in which a comment that breaks several is counted."""

from threadmill.conversations.config import ConversationsConfig
from threadmill.conversations.rule_sources import user_rules
from threadmill.conversations.rules import authors, blocklist, languages, lengths, patterns, personal_data, removals, subreddits
from threadmill.conversations.rules.rule import Rule
from threadmill.errors import ConfigError

RULES = (
    Rule("tombstone", removals.tombstone),
    Rule("too_long", lengths.too_long),
    Rule("too_short", lengths.too_short),
    Rule("unspaced", lengths.unspaced),
    Rule("too_few_words", lengths.too_few_words),
    Rule("too_many_words", lengths.too_many_words),
    Rule("too_many_tokens", lengths.too_many_tokens),
    Rule("long_word", lengths.long_word),
    Rule("bot", authors.bot),
    Rule("subreddit", subreddits.unwanted),
    Rule("score", lengths.low_score),
    Rule("url", patterns.url),
    Rule("quote", patterns.quote),
    Rule("non_ascii_start", patterns.non_ascii_start),
    Rule("bracket", patterns.bracket),
    Rule("shouting", patterns.shouting),
    Rule("repeats", lengths.repeats),
    Rule("blocklist", blocklist.blocked),
    Rule("personal_data", personal_data.present),
    Rule("language", languages.unwanted, costly=True),
)
_MOST = 64


def fault_names(config: ConversationsConfig) -> tuple[str, ...]:
    """The name of each bit of `faults`, from the lowest: those of RULES, then the user's own.

    Raises:
        ConfigError: a rule of the user's has the name of another, or there are too many.
    """
    names = tuple(rule.name for rule in RULES)
    own = tuple(rule.function for rule in user_rules(config.rules))
    for name in own:
        if name in names:
            raise ConfigError(f"rules names a function {name}, but there is a rule of that name; rename the function")
    if len(names) + len(own) > _MOST:
        raise ConfigError(f"rules names {len(own)} functions; {_MOST - len(names)} at most are possible")
    return names + own
