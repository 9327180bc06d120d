"""Encodes lines by the software of others; runs in an environment where Threadmill is not.

`python encode_lines.py READER FOLDER < lines`: prints the ids of each line, and on the first line the special tokens' ids.
"""

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

Encode = Callable[[Sequence[str]], list[list[int]]]
NAMES = ("pad", "unk", "cls", "sep", "mask")


def auto_tokenizer(folder: str) -> tuple[list[int], Encode]:
    """transformers.AutoTokenizer, as anybody would load it."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    specials = [getattr(tokenizer, f"{name}_token_id") for name in NAMES]
    return specials, lambda lines: tokenizer(list(lines), add_special_tokens=False)["input_ids"]


def bert_tokenizer(folder: str) -> tuple[list[int], Encode]:
    """A BERT tokenizer made from vocab.txt alone, Google's format; its words have 200 characters at most, as Google's."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    model = models.WordPiece.from_file(f"{folder}/vocab.txt", unk_token="[UNK]", max_input_chars_per_word=200)
    tokenizer = Tokenizer(model)
    lowercase = json.loads(Path(folder, "tokenizer_config.json").read_text("utf-8"))["do_lower_case"]
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    specials = [tokenizer.token_to_id(f"[{name.upper()}]") for name in NAMES]
    return specials, lambda lines: [tokenizer.encode(line, add_special_tokens=False).ids for line in lines]


def sentencepiece(folder: str) -> tuple[list[int], Encode]:
    """SentencePiece's own processor; it has no name for a mask."""
    from sentencepiece import SentencePieceProcessor

    processor = SentencePieceProcessor(model_file=f"{folder}/spiece.model")
    pieces = ("<pad>", "<unk>", "<s>", "</s>", "<mask>")
    return [processor.piece_to_id(piece) for piece in pieces], processor.encode


READERS = {"transformers": auto_tokenizer, "google": bert_tokenizer, "sentencepiece": sentencepiece}


if __name__ == "__main__":
    found, encode = READERS[sys.argv[1]](sys.argv[2])
    for ids in [found, *encode([json.loads(line) for line in sys.stdin])]:
        sys.stdout.write(json.dumps(ids) + "\n")
