"""The mean loss of a model in Hugging Face's layout, by transformers and PyTorch, on batches that Threadmill read.

``python score_model.py FOLDER BATCHES.npz OBJECTIVE`` prints it, in nats a token.
"""

import sys

import numpy as np
import torch
import transformers

_CLASSES = {
    "bert": transformers.AutoModelForMaskedLM,
    "roberta": transformers.AutoModelForMaskedLM,
    "seq2seq": transformers.AutoModelForSeq2SeqLM,
    "causal": transformers.AutoModelForCausalLM,
}


def logits_of(model, batch, objective):
    if objective == "seq2seq":
        inputs = {"input_ids": batch["encoder_token_ids"], "attention_mask": batch["encoder_segment_ids"]}
        return model(**inputs, decoder_input_ids=batch["decoder_token_ids"], use_cache=False).logits
    if objective == "causal":
        return model(batch["token_ids"], attention_mask=torch.clamp(batch["segment_ids"], max=1)).logits
    inputs = {"input_ids": batch["token_ids"], "attention_mask": batch["padding_mask"]}
    segments = {"token_type_ids": batch["segment_ids"]} if model.config.model_type == "bert" else {}
    logits = model(**inputs, **segments).logits
    return torch.take_along_dim(logits, batch["mask_positions"][..., None], 1)


def targets_of(batch):
    names = [("masked_lm_ids", "masked_lm_weights"), ("response_ids", "response_weights"), ("token_labels", "token_weights")]
    return next((batch[ids], batch[weights]) for ids, weights in names if ids in batch)


def main(folder, batches, objective):
    model = _CLASSES[objective].from_pretrained(folder).eval()
    loss = weight = 0.0
    with np.load(batches) as arrays, torch.no_grad():
        batch = {name: torch.from_numpy(arrays[name]) for name in arrays}
        batch = {name: value.long() if value.dtype == torch.int32 else value for name, value in batch.items()}
        for start in range(0, len(next(iter(batch.values()))), 64):
            part = {name: value[start : start + 64] for name, value in batch.items()}
            ids, weights = targets_of(part)
            losses = torch.nn.functional.cross_entropy(logits_of(model, part, objective).transpose(1, 2), ids, reduction="none")
            loss, weight = loss + float((losses * weights).sum()), weight + float(weights.sum())
    print(loss / weight)


if __name__ == "__main__":
    main(*sys.argv[1:])
