"""What a report tells of a vocabulary and of pretraining records: their figures, from their manifests."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from threadmill.datasets.manifest import Manifest

Sums = Mapping[str, int]


@dataclass(frozen=True)
class RecordsTable:
    """Pretraining records by split.

    Attributes:
        description: the objective with its lengths, in a phrase.
        splits: the columns.
        rows: a figure's name, and its value for each split, "" where that split has none.
    """

    description: str
    splits: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]


def vocabulary_kind(manifest: Manifest) -> str:
    """The vocabulary's algorithm and form, and whether it knows letters' case."""
    config = manifest.config
    form = config.get("form")
    cased = "" if "lowercase" not in config else ", uncased" if config["lowercase"] else ", cased"
    return f"{config.get('kind', 'wordpiece')}{f' as {form}' if form else ''}{cased}"


def vocabulary_entries(manifest: Manifest) -> int:
    """How many entries it has, special ones included."""
    return int(manifest.statistics.get("entries", manifest.records))


def vocabulary_rows(manifest: Manifest) -> list[tuple[str, str]]:
    """The figures of a vocabulary as (name, value), as far as its manifest tells them."""
    statistics, config = manifest.statistics, manifest.config
    held_out: Mapping[str, Any] = statistics.get("held_out", {})
    wanted = config.get("vocab_size")
    entries = vocabulary_entries(manifest)
    rows = [
        ("kind", vocabulary_kind(manifest)),
        ("entries", f"{entries:,}" + (f" of {wanted:,} asked for" if wanted and wanted != entries else "")),
        ("lines trained on", _count(statistics.get("sampled_lines"))),
        ("distinct words in them", _count(statistics.get("distinct_words"))),
        ("held out", f"{held_out['lines']:,} lines of the {held_out['source']}" if held_out else ""),
        (_words(config), _count(held_out.get("words"))),
        ("of these [UNK]", _unknown(held_out)),
        ("tokens a word", tokens_a_word(held_out)),
    ]
    return [(name, value) for name, value in rows if value]


def _words(config: Mapping[str, Any]) -> str:
    """What the vocabulary's figures call a word: BERT's tokenizer sets punctuation apart."""
    is_bert = config.get("kind", "wordpiece") == "wordpiece" or config.get("form") == "bert"
    return "held-out words and punctuation marks" if is_bert else "held-out words"


def unknown_rate(held_out: Mapping[str, Any]) -> str:
    """The share of held-out words that the vocabulary cannot write, "" where it is not known."""
    rate = held_out.get("unknown_rate")
    return "" if rate is None else f"{rate:.3%}"


def tokens_a_word(held_out: Mapping[str, Any]) -> str:
    """Tokens that a held-out word becomes, "" where it is not known."""
    tokens = held_out.get("tokens_per_word")
    return "" if tokens is None else f"{tokens:.3f}"


def _unknown(held_out: Mapping[str, Any]) -> str:
    rate = unknown_rate(held_out)
    return f"{held_out['unknown_words']:,} ({rate})" if rate else ""


def records_table(manifest: Manifest) -> RecordsTable:
    """The figures of pretraining records, as far as their manifest tells them."""
    splits: Mapping[str, Sums] = manifest.statistics.get("splits", {})
    figures = [_figures(sums, manifest.config) for sums in splits.values()]
    names = list(dict.fromkeys(name for column in figures for name in column))
    rows = tuple((name, tuple(column.get(name, "") for column in figures)) for name in names)
    return RecordsTable(_description(manifest.config), tuple(splits), rows)


def _description(config: Mapping[str, Any]) -> str:
    length, target = config.get("max_seq_length"), config.get("max_target_length")
    parts = [
        f"{length:,} tokens" + (f" and {target:,}" if target else "") if length else "",
        _pairs(config),
        _masking(config),
        f"{config['dupe_factor']:,} passes over each training document" if config.get("dupe_factor", 1) > 1 else "",
        str(config.get("compression", "")),
    ]
    return f"Objective {config.get('objective', 'bert')}: {', '.join(part for part in parts if part)}"


def _pairs(config: Mapping[str, Any]) -> str:
    if "next_sentence" not in config:
        return ""
    return "pairs with a next sentence to tell" if config["next_sentence"] else "no next sentence"


def _masking(config: Mapping[str, Any]) -> str:
    if "masked_lm_prob" not in config:
        return ""
    unit = "words" if config.get("do_whole_word_mask") else "tokens"
    share = f"{config['masked_lm_prob']:.0%} of the {unit} masked, {config['max_predictions_per_seq']:,} at most"
    return share if config.get("static_masking", True) else f"{share}, anew each time they are read"


def _figures(sums: Sums, config: Mapping[str, Any]) -> dict[str, str]:
    """One split's column: counts, and shares of what they count."""
    instances, tokens = sums.get("instances", 0), sums.get("tokens", 0)
    space = _space(sums, config)
    figures = {
        "instances": _count(instances),
        "tokens": _count(tokens),
        "tokens an instance": f"{tokens / instances:.1f}" if instances else "",
        "padding": _share(space - tokens, space),
        "masked tokens": _share(sums.get("masked"), tokens),
        "pairs whose second sentence is random": _share(sums.get("random_next"), instances),
        "sequences packed": _count(sums.get("segments")),
        "pairs of context and response": _count(sums.get("pairs")),
        "contexts cut": _share(sums.get("truncated_contexts"), sums.get("pairs", 0)),
        "responses cut": _share(sums.get("truncated_responses"), sums.get("pairs", 0)),
    }
    return {name: value for name, value in figures.items() if value}


def _space(sums: Sums, config: Mapping[str, Any]) -> int:
    """Tokens that all the instances have room for; 0 where that is not known."""
    if "padding" in sums:
        return sums["tokens"] + sums["padding"]
    return sums.get("instances", 0) * int(config.get("max_seq_length", 0))


def _share(count: int | None, of: int) -> str:
    return "" if count is None or not of else f"{count / of:.1%}"


def _count(number: int | None) -> str:
    return "" if number is None else f"{number:,}"
