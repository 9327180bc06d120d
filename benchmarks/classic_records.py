"""A plain Python stand-in of BERT's classic record script, for comparison only: all in memory, one core.

Written from the published description (Devlin et al. 2018, section 3.1 and appendix A; facts page of create_pretraining_data):
basic tokenisation and greedy WordPiece, sentence pairs, masking, TensorFlow's tf.train.Example and TFRecordWriter.

`python -m benchmarks.classic_records TEXT VOCAB OUTPUT S P DUPE SEED`: prints the seconds without its imports, and instances.
"""

import random
import sys
import time
import unicodedata
from pathlib import Path
from typing import Any

SPECIAL = ("[CLS]", "[SEP]")


def basic_tokens(text: str) -> list[str]:
    """Lower-cased words and punctuation marks, without accents."""
    cleaned = []
    for letter in text:
        category = unicodedata.category(letter)
        if letter in "\t\n\r" or category == "Zs":
            cleaned.append(" ")
        elif ord(letter) not in (0, 0xFFFD) and not category.startswith("C"):
            cleaned.append(f" {letter} " if 0x4E00 <= ord(letter) <= 0x9FFF else letter)
    tokens = []
    for word in "".join(cleaned).split():
        plain = "".join(mark for mark in unicodedata.normalize("NFD", word.lower()) if unicodedata.category(mark) != "Mn")
        current = ""
        for letter in plain:
            if _is_punctuation(letter):
                tokens.extend([current, letter] if current else [letter])
                current = ""
            else:
                current += letter
        if current:
            tokens.append(current)
    return tokens


def _is_punctuation(letter: str) -> bool:
    code = ord(letter)
    ascii_mark = 33 <= code <= 47 or 58 <= code <= 64 or 91 <= code <= 96 or 123 <= code <= 126
    return ascii_mark or unicodedata.category(letter).startswith("P")


def word_pieces(word: str, vocabulary: dict[str, int]) -> list[str]:
    """The longest pieces from the left, or [UNK]."""
    if len(word) > 200:
        return ["[UNK]"]
    pieces: list[str] = []
    start = 0
    while start < len(word):
        end = len(word)
        while end > start:
            piece = ("##" if start else "") + word[start:end]
            if piece in vocabulary:
                break
            end -= 1
        if end == start:
            return ["[UNK]"]
        pieces.append(piece)
        start = end
    return pieces


def read_documents(path: str, vocabulary: dict[str, int]) -> list[list[list[str]]]:
    """All documents of a file: sentences of tokens."""
    documents: list[list[list[str]]] = [[]]
    with Path(path).open(encoding="utf-8") as stream:
        for line in stream:
            if not line.strip():
                documents.append([])
                continue
            tokens = [piece for word in basic_tokens(line) for piece in word_pieces(word, vocabulary)]
            if tokens:
                documents[-1].append(tokens)
    return [document for document in documents if document]


def document_pairs(
    documents: list[list[list[str]]], number: int, length: int, draw: random.Random
) -> list[tuple[list[str], list[str], bool]]:
    """The pairs of one pass over one document: sentence A, sentence B, whether B is random."""
    document, most = documents[number], length - 3
    target = draw.randint(2, most) if draw.random() < 0.1 else most
    pairs = []
    chunk: list[list[str]] = []
    size, index = 0, 0
    while index < len(document):
        chunk.append(document[index])
        size += len(document[index])
        if index == len(document) - 1 or size >= target:
            cut = draw.randint(1, len(chunk) - 1) if len(chunk) > 1 else 1
            first = [token for sentence in chunk[:cut] for token in sentence]
            is_random = len(chunk) == 1 or draw.random() < 0.5
            if is_random:
                second = _random_sentences(documents, number, target - len(first), draw)
                index -= len(chunk) - cut
            else:
                second = [token for sentence in chunk[cut:] for token in sentence]
            _truncate(first, second, most, draw)
            pairs.append((first, second, is_random))
            chunk, size = [], 0
        index += 1
    return pairs


def _random_sentences(documents: list[list[list[str]]], number: int, wanted: int, draw: random.Random) -> list[str]:
    other = number
    for _ in range(10):
        other = draw.randint(0, len(documents) - 1)
        if other != number:
            break
    found: list[str] = []
    for sentence in documents[other][draw.randint(0, len(documents[other]) - 1) :]:
        found.extend(sentence)
        if len(found) >= wanted:
            break
    return found


def _truncate(first: list[str], second: list[str], most: int, draw: random.Random) -> None:
    while len(first) + len(second) > most:
        side = first if len(first) > len(second) else second
        if draw.random() < 0.5:
            del side[0]
        else:
            side.pop()


def masked(tokens: list[str], predictions: int, words: list[str], draw: random.Random) -> tuple[list[str], list[int], list[str]]:
    """The tokens with 15 % of them masked, the places, and what stood there."""
    places = [place for place, token in enumerate(tokens) if token not in SPECIAL]
    draw.shuffle(places)
    chosen = sorted(places[: min(predictions, max(1, round(len(tokens) * 0.15)))])
    output = list(tokens)
    for place in chosen:
        if draw.random() < 0.8:
            output[place] = "[MASK]"
        elif draw.random() >= 0.5:
            output[place] = words[draw.randint(0, len(words) - 1)]
    return output, chosen, [tokens[place] for place in chosen]


def write_instances(path: str, instances: list[Any], vocabulary: dict[str, int], length: int, predictions: int) -> None:
    """Each instance as a tf.train.Example."""
    import tensorflow as tf

    def integers(values: list[int]) -> Any:
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))

    with tf.io.TFRecordWriter(path) as writer:
        for tokens, segments, places, labels, is_random in instances:
            rest, blank = length - len(tokens), predictions - len(places)
            features = {
                "input_ids": integers([vocabulary[token] for token in tokens] + [0] * rest),
                "input_mask": integers([1] * len(tokens) + [0] * rest),
                "segment_ids": integers(segments + [0] * rest),
                "masked_lm_positions": integers(places + [0] * blank),
                "masked_lm_ids": integers([vocabulary[token] for token in labels] + [0] * blank),
                "masked_lm_weights": tf.train.Feature(float_list=tf.train.FloatList(value=[1.0] * len(places) + [0.0] * blank)),
                "next_sentence_labels": integers([int(is_random)]),
            }
            writer.write(tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString())


def main() -> None:
    """Makes one file of records."""
    text, vocab, output = sys.argv[1:4]
    length, predictions, passes, seed = map(int, sys.argv[4:])
    import tensorflow  # noqa: F401 (ten seconds that are not counted)

    start = time.perf_counter()
    words = Path(vocab).read_text(encoding="utf-8").split("\n")[:-1]
    vocabulary = {token: number for number, token in enumerate(words)}
    draw = random.Random(seed)
    documents = read_documents(text, vocabulary)
    draw.shuffle(documents)
    instances = []
    for _ in range(passes):
        for number in range(len(documents)):
            for first, second, is_random in document_pairs(documents, number, length, draw):
                tokens = ["[CLS]", *first, "[SEP]", *second, "[SEP]"]
                segments = [0] * (len(first) + 2) + [1] * (len(second) + 1)
                output_tokens, places, labels = masked(tokens, predictions, words, draw)
                instances.append((output_tokens, segments, places, labels, is_random))
    draw.shuffle(instances)
    write_instances(output, instances, vocabulary, length, predictions)
    print(time.perf_counter() - start, len(instances))


if __name__ == "__main__":
    main()
