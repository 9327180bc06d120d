"""Whether the files of a vocabulary give its tokens the same ids."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence

from threadmill.datasets import storage
from threadmill.vocab.files import ENTRIES_NAME, TOKENIZER_NAME, VOCAB_NAME
from threadmill.vocab.styles import SENTENCEPIECE_NAME

_REMEDY = "make the vocabulary again, or take the files of one vocabulary"


def faults_of_files(folder: str, tokens: Sequence[str]) -> Iterator[str]:
    """A line for each file of ``folder`` that is damaged, or whose ids are not the places of ``tokens`` in vocab.txt."""
    expected = {token: number for number, token in enumerate(tokens)}
    for name, read in _READERS.items():
        path = storage.join(folder, name)
        if not storage.exists(path):
            continue
        try:
            found = read(storage.read_bytes(path))
        except (ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
            yield f"{name} cannot be read ({type(error).__name__}: {' '.join(str(error).split())[:80]}); {_REMEDY}"
            continue
        differing = sorted(token for token in expected.keys() | found.keys() if expected.get(token) != found.get(token))
        if differing:
            token = differing[0]
            yield (
                f"{name} and {VOCAB_NAME} differ in {len(differing):,} entries: {token!r} is {_place(found, token)} in {name}, "
                f"{_place(expected, token)} in {VOCAB_NAME}; {_REMEDY}"
            )


def _place(ids: Mapping[str, int], token: str) -> str:
    return f"id {ids[token]}" if token in ids else "not"


def _of_tokenizer(content: bytes) -> Mapping[str, int]:
    tokenizer = json.loads(content)
    entries = tokenizer["model"]["vocab"]
    ids = dict(entries) if isinstance(entries, dict) else {piece: number for number, (piece, _) in enumerate(entries)}
    return ids | {added["content"]: added["id"] for added in tokenizer["added_tokens"]}


def _of_model(content: bytes) -> Mapping[str, int]:
    from sentencepiece import SentencePieceProcessor

    processor = SentencePieceProcessor(model_proto=content)
    return {processor.id_to_piece(number): number for number in range(len(processor))}


def _of_entries(content: bytes) -> Mapping[str, int]:
    return dict(json.loads(content))


_READERS: dict[str, Callable[[bytes], Mapping[str, int]]] = {
    TOKENIZER_NAME: _of_tokenizer,
    ENTRIES_NAME: _of_entries,
    SENTENCEPIECE_NAME: _of_model,
}
