"""Checks a vocabulary: its special tokens and ids, its files against each other, and how it fits corpora."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from threadmill.datasets import storage
from threadmill.datasets.dataset import Dataset, verify
from threadmill.datasets.manifest import MANIFEST_NAME
from threadmill.documents.sources import Corpora, open_corpora
from threadmill.errors import InputError
from threadmill.vocab.alphabet import Alphabet, find_characters, words_of
from threadmill.vocab.config import CheckConfig
from threadmill.vocab.corpus_sample import draw_sample
from threadmill.vocab.coverage import Coverage, measure
from threadmill.vocab.file_check import faults_of_files
from threadmill.vocab.files import VOCAB_NAME, vocabulary_place
from threadmill.vocab.styles import style_of
from threadmill.vocab.vocabulary import STAGE, Vocabulary
from threadmill.vocab.word_counts import count_words


@dataclass(frozen=True)
class Findings:
    """What a check found.

    Attributes:
        kind, form: of a bare vocab.txt, "wordpiece" and "".
        specials: the id of each special token that is there.
        duplicates, blank_lines: entries that say what another says, or nothing.
        coverage, characters: against the corpora; None where there are none, or the vocabulary itself is of no use.
        faults: each with its remedy; empty where all is well.
    """

    uri: str
    kind: str
    form: str
    lowercase: bool
    entries: int
    specials: Mapping[str, int]
    duplicates: int
    blank_lines: int
    coverage: Coverage | None = None
    characters: Alphabet | None = None
    faults: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As an object of JSON."""
        return asdict(self)


def check_vocabulary(
    uri: str, corpora: Sequence[str] = (), config: CheckConfig | None = None, *, cased: bool = False
) -> Findings:
    """Checks the vocabulary at ``uri``: a dataset, or Google's vocab.txt or a folder that has it.

    Args:
        corpora: what it is to be used on, if anything.
        cased: a bare vocab.txt, which does not say so, is of cased text.

    Raises:
        InputError: no vocabulary there, or no corpus.
        ConfigError: ``cased`` is against the manifest.
    """
    uri = vocabulary_place(uri)
    opened = open_corpora(corpora) if corpora else None
    listed = verify(uri) if storage.exists(storage.join(uri, MANIFEST_NAME)) else []
    vocabulary = _entries(uri, cased)
    special = style_of(vocabulary.kind, vocabulary.form).specials
    numbers = {name: vocabulary.ids[name] for name in special if name in vocabulary.ids}
    counts = Counter(filter(None, vocabulary.tokens))
    findings = Findings(
        uri=uri,
        kind=vocabulary.kind,
        form=vocabulary.form,
        lowercase=vocabulary.lowercase,
        entries=len(vocabulary),
        specials=numbers,
        duplicates=sum(counts.values()) - len(counts),
        blank_lines=len(vocabulary) - sum(counts.values()),
        faults=(
            *(f"{problem}; make the vocabulary again" for problem in listed),
            *_faults_of_entries(vocabulary, [name for name in special if name not in numbers], counts),
            *(faults_of_files(uri, vocabulary.tokens) if storage.is_directory(uri) else ()),
        ),
    )
    if opened is None or listed or len(numbers) < len(special):
        return findings
    return _measured(findings, Vocabulary.load(uri, cased=cased), opened, config or CheckConfig())


def _entries(uri: str, cased: bool) -> Vocabulary:
    """The entries as they stand, whatever is wrong with them."""
    path = storage.join(uri, VOCAB_NAME) if storage.is_directory(uri) else uri
    if not storage.exists(path):
        raise InputError(f"{uri}: no {VOCAB_NAME} there; name a vocabulary's folder, or the file")
    try:
        content = storage.read_bytes(path)
        lines = content.decode().removesuffix("\n").split("\n")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path}, line {line:,}: not UTF-8; a vocabulary is text with a token a line") from None
    if not storage.exists(storage.join(uri, MANIFEST_NAME)):
        return Vocabulary(tuple(line.strip() for line in lines), not cased)
    config = Dataset.open(uri, STAGE).manifest.config
    return Vocabulary(tuple(lines), bool(config["lowercase"]), kind=str(config["kind"]), form=str(config.get("form", "")))


def _faults_of_entries(vocabulary: Vocabulary, missing: Sequence[str], counts: Mapping[str, int]) -> Iterator[str]:
    if vocabulary.tokens[0].startswith("\ufeff"):
        yield "a byte order mark, which is part of the first token; save vocab.txt without one"
    if missing:
        yield f"no entry {', '.join(missing)}, which models need; add a line for each, or train the vocabulary again"
    elif len(counts) == len(style_of(vocabulary.kind, vocabulary.form).specials):
        yield "no entry but the special tokens; make one with more entries"
    blank = [number for number, token in enumerate(vocabulary.tokens) if not token]
    if blank:
        yield (
            f"blank lines: {len(blank):,}, the first is line {blank[0] + 1:,} (id {blank[0]:,}); write [unused0] and so on "
            "there, for without the line all later ids would change"
        )
    repeated = [token for token, count in counts.items() if count > 1]
    if repeated:
        places = [f"{number + 1:,}" for number, token in enumerate(vocabulary.tokens) if token == repeated[0]]
        yield (
            f"entries that stand more than once: {len(repeated):,}, such as {repeated[0]!r} in the lines {', '.join(places[:5])}"
            "; write [unused0] and so on for all but the last, which is the one that text becomes"
        )


def _measured(findings: Findings, vocabulary: Vocabulary, corpora: Corpora, config: CheckConfig) -> Findings:
    with corpora.unchanged():
        sample = draw_sample(corpora, "", config.sample_lines, config.seed)
    coverage = measure(vocabulary, vocabulary.encode(sample.lines).ids, len(sample))
    characters = find_characters(count_words(sample.lines, words_of(vocabulary)), vocabulary)
    faults = (*findings.faults, *_faults_of_fit(coverage, characters, config))
    return replace(findings, coverage=coverage, characters=characters, faults=faults)


def _faults_of_fit(coverage: Coverage, characters: Alphabet, config: CheckConfig) -> Iterator[str]:
    if coverage.unknown_rate is None or coverage.tokens_per_word is None or characters.coverage is None:
        yield "the corpus has no word; name a corpus with text"
        return
    if coverage.unknown_rate > config.max_unknown_rate:
        yield (
            f"{coverage.unknown_rate:.2%} of the words are unknown, {config.max_unknown_rate:.2%} at most; train a vocabulary on "
            "text like this, or raise max_unknown_rate"
        )
    if characters.coverage < config.min_character_coverage:
        yield (
            f"{characters.coverage:.2%} of the text's characters are in the vocabulary, {config.min_character_coverage:.2%} at "
            f"least (it lacks such as {characters.examples!r}); train one on text like this with a higher limit_alphabet, or "
            "lower min_character_coverage"
        )
    if coverage.tokens_per_word > config.max_tokens_per_word:
        yield (
            f"{coverage.tokens_per_word:.2f} tokens a word, {config.max_tokens_per_word:g} at most; train a larger vocabulary, "
            "or one on text like this, or raise max_tokens_per_word"
        )
