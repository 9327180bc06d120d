"""The files of a vocabulary that is kept as a SentencePiece model: spiece.model, and the same for Hugging Face's software."""

from collections.abc import Sequence
from typing import Any

from sentencepiece import SentencePieceProcessor
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from threadmill.vocab.files import TOKENIZER_CONFIG_NAME, TOKENIZER_NAME, VOCAB_NAME, json_text, vocab_txt
from threadmill.vocab.styles import SENTENCEPIECE_NAME, WORD_START

_SCORE_STEPS = 256
# By the trainer's names for them; their places are their ids. The trainer has no name for a mask.
MODEL_SPECIALS = {"pad": "<pad>", "unk": "<unk>", "bos": "<s>", "eos": "</s>", "mask": "<mask>"}


def sentencepiece_files(model: bytes, kind: str) -> dict[str, bytes]:
    """The files of a serialized model whose first pieces are `MODEL_SPECIALS`."""
    processor = SentencePieceProcessor(model_proto=model)
    pieces = [processor.id_to_piece(number) for number in range(len(processor))]
    return {
        VOCAB_NAME: vocab_txt(pieces),
        SENTENCEPIECE_NAME: model,
        TOKENIZER_NAME: _tokenizer(model, kind, processor, pieces).to_str(pretty=True).encode(),
        TOKENIZER_CONFIG_NAME: json_text(
            {
                "tokenizer_class": "PreTrainedTokenizerFast",  # whatever it is, it takes tokenizer.json as it stands
                "model_input_names": ["input_ids", "attention_mask"],
                "bos_token": "<s>",
                "eos_token": "</s>",
                "unk_token": "<unk>",
                "pad_token": "<pad>",
                "cls_token": "<s>",
                "sep_token": "</s>",
                "mask_token": "<mask>",
            }
        ),
    }


def _tokenizer(model: bytes, kind: str, processor: SentencePieceProcessor, pieces: Sequence[str]) -> Tokenizer:
    """Hugging Face's tokenizer of the same ids."""
    if kind == "sentencepiece-unigram":
        scores = [processor.get_score(number) for number in range(len(processor))]
        tokenizer = Tokenizer(models.Unigram(list(zip(pieces, scores, strict=True)), unk_id=1))
    else:
        numbers = {piece: number for number, piece in enumerate(pieces)}
        tokenizer = Tokenizer(models.BPE(numbers, _merges(pieces, numbers), unk_token="<unk>", fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Precompiled(_character_map(model)), normalizers.Replace(Regex(" {2,}"), " "), normalizers.Strip()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement=WORD_START, prepend_scheme="always", split=True)
    tokenizer.decoder = decoders.Metaspace(replacement=WORD_START, prepend_scheme="always", split=True)
    tokenizer.add_special_tokens([AddedToken(piece, special=True, normalized=False) for piece in MODEL_SPECIALS.values()])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s>:0 $A:0 </s>:0",
        pair="<s>:0 $A:0 </s>:0 $B:1 </s>:1",
        special_tokens=[("<s>", 2), ("</s>", 3)],
    )
    return tokenizer


def _merges(pieces: Sequence[str], numbers: dict[str, int]) -> list[tuple[str, str]]:
    """All ways to put a piece together from two others, the pieces that were found first coming first."""
    merges = []
    for piece in pieces[len(MODEL_SPECIALS) :]:
        halves = [(piece[:place], piece[place:]) for place in range(1, len(piece))]
        found = [(left, right) for left, right in halves if left in numbers and right in numbers]
        merges += sorted(found, key=lambda pair: (numbers[pair[0]], numbers[pair[1]]))
    return merges


def with_exact_scores(model: bytes) -> bytes:
    """The serialized model with scores that are multiples of 1/256.

    A unigram model takes the pieces of the largest sum of scores, such as ???? ? or ? ????. SentencePiece adds in 32 bits and
    Hugging Face in 64, and rounding would break ties by what stands before. Sums of these scores are exact in both, up to
    65,536, so that the same word has the same pieces everywhere.
    """
    content = _messages().ModelProto.FromString(model)
    for piece in content.pieces:
        piece.score = round(piece.score * _SCORE_STEPS) / _SCORE_STEPS
    return bytes(content.SerializeToString(deterministic=True))


def _character_map(model: bytes) -> bytes:
    """The model's normalisation rules, as compiled by SentencePiece."""
    return bytes(_messages().ModelProto.FromString(model).normalizer_spec.precompiled_charsmap)


def _messages() -> Any:
    from sentencepiece import sentencepiece_model_pb2  # needs protobuf, which reading a vocabulary does not

    return sentencepiece_model_pb2
