"""A vocabulary opened for use: its tokens, their ids, text to ids and back."""

import hashlib
import pkgutil
from collections.abc import Sequence
from dataclasses import astuple, dataclass, field, fields
from functools import cached_property
from itertools import groupby
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from threadmill.datasets import storage
from threadmill.datasets.arrow_text import large_strings
from threadmill.datasets.dataset import Dataset
from threadmill.datasets.manifest import InputEntry
from threadmill.errors import ConfigError, InputError, IntegrityError
from threadmill.vocab.files import VOCAB_NAME, bare_vocab_file, vocabulary_place
from threadmill.vocab.styles import Style, style_of

STAGE = "vocabulary"

Ids = npt.NDArray[np.int32]


@dataclass(frozen=True)
class TokenLines:
    """Lines of token ids: line i is ``ids[offsets[i]:offsets[i + 1]]``.

    Attributes:
        ids: int32[t].
        offsets: int64[n + 1].
    """

    ids: Ids
    offsets: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, line: int) -> Ids:
        return self.ids[self.offsets[line] : self.offsets[line + 1]]


@dataclass(frozen=True)
class Specials:
    """The ids of the tokens that mean something to a model and never come out of text, but for ``unk``."""

    pad: int
    unk: int
    cls: int
    sep: int
    mask: int


@dataclass(frozen=True)
class Vocabulary:
    """The tokens in the order of their ids, and the text rules that go with them. It can be pickled; threads may share it.

    Attributes:
        tokens: with the special ones, [PAD] [UNK] [CLS] [SEP] [MASK], or <pad> <unk> <s> </s> <mask> in the kinds that mark
            the beginning of a word; a token's place is its id. Of equal ones text gets the last, as in Google's load_vocab.
        lowercase: text is lower-cased first, and in a vocabulary for BERT stripped of accents.
        digest: equal digests give equal ids: the digest of the vocabulary's manifest, or the SHA-256 of a bare vocab.txt; ""
            where it was not loaded.
        kind: wordpiece, sentencepiece-unigram, sentencepiece-bpe or bytelevel-bpe.
        form: of a sentencepiece kind: "bert" where it was converted to a BERT vocabulary, or "sentencepiece".
        uri: where it lies.
        model: the content of the file besides vocab.txt that text is tokenised with; empty in a vocabulary for BERT.
    """

    tokens: tuple[str, ...]
    lowercase: bool = True
    digest: str = field(default="", compare=False)
    kind: str = "wordpiece"
    form: str = ""
    uri: str = field(default="", compare=False)
    model: bytes = field(default=b"", repr=False)

    @classmethod
    def load(cls, uri: str, *, cased: bool = False) -> "Vocabulary":
        """The vocabulary at ``uri``: a dataset, or Google's vocab.txt or a folder that has it.

        Args:
            cased: a bare vocab.txt, which does not say so, is of cased text.

        Raises:
            InputError: no vocabulary there, or not its special tokens.
            IntegrityError: a file differs from what the manifest says.
            ConfigError: ``cased`` is against the manifest.
        """
        uri = vocabulary_place(uri)
        bare = bare_vocab_file(uri)
        vocabulary = cls._load_bare(uri, bare, not cased) if bare else cls._load_dataset(uri, cased)
        assert vocabulary.specials
        return vocabulary

    @classmethod
    def _load_dataset(cls, uri: str, cased: bool) -> "Vocabulary":
        dataset = Dataset.open(uri, STAGE)
        config = dataset.manifest.config
        kind, form, lowercase = str(config["kind"]), str(config.get("form", "")), bool(config["lowercase"])
        if cased and lowercase:
            raise ConfigError(f"{uri} was made of lower-cased text; leave out --cased, or train one with --no-lowercase")
        tokens = tuple(_decoded(_checked(dataset, VOCAB_NAME), uri).split("\n")[:-1])
        file = style_of(kind, form).model_file
        model = _checked(dataset, file) if file else b""
        return cls(tokens, lowercase, dataset.manifest.digest, kind, form, uri, model)

    @classmethod
    def _load_bare(cls, uri: str, path: str, lowercase: bool) -> "Vocabulary":
        content = storage.read_bytes(path)
        lines = _decoded(content, path).removesuffix("\n").split("\n")
        return cls(tuple(line.strip() for line in lines), lowercase, hashlib.sha256(content).hexdigest(), uri=uri)

    def as_input(self) -> InputEntry:
        """How a dataset made with this vocabulary refers to it."""
        return InputEntry(storage.name_of(self.uri), self.digest, self.uri)

    def __len__(self) -> int:
        return len(self.tokens)

    def __getstate__(self) -> dict[str, Any]:
        return {each.name: getattr(self, each.name) for each in fields(self)}

    @cached_property
    def ids(self) -> dict[str, int]:
        """Token -> id."""
        return {token: number for number, token in enumerate(self.tokens)}

    @cached_property
    def specials(self) -> Specials:
        """The special tokens' ids; <s> and </s> are ``cls`` and ``sep``."""
        missing = [name for name in self._style.specials if name not in self.ids]
        if missing:
            raise InputError(
                f"{self.uri or 'the vocabulary'} has no {', '.join(missing)} among its {len(self)} entries; use one with "
                f"{' '.join(self._style.specials)}, such as `threadmill vocab train` makes"
            )
        return Specials(*(self.ids[name] for name in self._style.specials))

    @cached_property
    def special_ids(self) -> Ids:
        """int32[5]: all of `specials`, ascending."""
        return np.array(sorted(astuple(self.specials)), np.int32)

    @cached_property
    def ordinary_ids(self) -> Ids:
        """int32: the ids of all tokens but those that say what a special one says, ascending."""
        special = [number for number, token in enumerate(self.tokens) if token in self._style.specials]
        return np.setdiff1d(np.arange(len(self), dtype=np.int32), np.array(special, np.int32))

    @cached_property
    def continuations(self) -> npt.NDArray[np.bool_]:
        """bool[len(self)]: True where a token goes on inside a word; False for the special ones."""
        continuations = np.array(list(map(self._style.goes_on, self.tokens)), np.bool_)
        continuations[self.special_ids] = False
        return continuations

    def encode(self, lines: Sequence[str] | pa.Array) -> TokenLines:
        """The ids of each line, with no special token added; a special token's name in the text is text.

        Threads may call it at once; but for the form "sentencepiece" they hardly wait for each other.

        Args:
            lines: n strings, as a list or an Arrow array; null counts as "".
        """
        return TokenLines(*self._encoder.encode(large_strings(lines)))

    def decode(self, ids: Sequence[int] | Ids) -> str:
        """Readable text of token ids: words apart, the pieces of a word together; special tokens stand as words."""
        special = frozenset(self.special_ids.tolist())
        parts = []
        for alone, run in groupby(np.asarray(ids).tolist(), special.__contains__):
            tokens = [self.tokens[number] for number in run]
            parts.append(" ".join(tokens) if alone else self._style.join(tokens))
        return " ".join(filter(None, parts))

    @property
    def _style(self) -> Style:
        return style_of(self.kind, self.form)

    @cached_property
    def _encoder(self) -> "Encoder":
        encoder: Encoder = pkgutil.resolve_name(self._style.encoder)(self)
        return encoder


class Encoder(Protocol):
    """Text to ids in one style."""

    def encode(self, lines: pa.Array) -> tuple[Ids, npt.NDArray[np.int64]]:
        """The ids (int32[t]) of lines (large_string[n], no nulls) and the lines' bounds in them (int64[n + 1])."""


def _checked(dataset: Dataset, name: str) -> bytes:
    path = storage.join(dataset.uri, name)
    entry = next((shard for shard in dataset.manifest.shards if shard.name == name), None)
    if entry is None:
        raise IntegrityError(f"{dataset.uri} has no {name} in its manifest; delete the folder and make the vocabulary again")
    content = storage.read_bytes(path)
    if hashlib.sha256(content).hexdigest() != entry.sha256:
        raise IntegrityError(f"{path} was changed after it was written; delete its folder and make the vocabulary again")
    return content


def _decoded(content: bytes, path: str) -> str:
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path}, line {line}: not UTF-8; a vocabulary is text with one token a line") from None
    if text.startswith("\ufeff"):
        raise InputError(f"{path} begins with a byte order mark, which would be part of its first token; save it without one")
    return text
