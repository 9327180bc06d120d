"""Loads exports by transformers and torch; runs in an environment where neither Threadmill nor Keras is.

`python load_exports.py FOLDER .. < lines`: in each FOLDER runs the model of export/ on the arrays of inputs.npz, by the
names of its forward's arguments, writes its outputs to theirs.npz, and what else it found to theirs.json.
"""

import json
import sys

import numpy as np
import torch
import transformers
from transformers import AutoTokenizer

_AUTO = {
    "BertForPreTraining": "AutoModelForPreTraining",
    "BertForMaskedLM": "AutoModelForMaskedLM",
    "RobertaForMaskedLM": "AutoModelForMaskedLM",
    "BlenderbotForConditionalGeneration": "AutoModelForSeq2SeqLM",
    "BlenderbotSmallForConditionalGeneration": "AutoModelForSeq2SeqLM",
    "GPT2LMHeadModel": "AutoModelForCausalLM",
}
_GENERATING = ("AutoModelForSeq2SeqLM", "AutoModelForCausalLM")


def look(folder: str, lines: list[str]) -> None:
    """Loads, runs and tells of one export."""
    export = f"{folder}/export"
    with open(f"{export}/config.json") as stream:
        (name,) = json.load(stream)["architectures"]
    model, loading = getattr(transformers, name).from_pretrained(export, output_loading_info=True)
    same = getattr(transformers, _AUTO[name]).from_pretrained(export)
    with np.load(f"{folder}/inputs.npz") as arrays, torch.no_grad():
        outputs = model.eval()(**{key: torch.from_numpy(arrays[key].astype(np.int64)) for key in arrays})
    np.savez(f"{folder}/theirs.npz", **{key: value.numpy() for key, value in outputs.items() if isinstance(value, torch.Tensor)})
    tokenizer = AutoTokenizer.from_pretrained(export)
    generated = None
    if _AUTO[name] in _GENERATING:
        tokens = tokenizer(lines[0], return_tensors="pt")
        generated = tokenizer.decode(model.generate(**tokens, do_sample=False)[0], skip_special_tokens=True)
    found = {
        "class": name,
        "class by AutoModelFor": type(same).__name__,
        "missing": sorted(loading["missing_keys"]),
        "unexpected": sorted(loading["unexpected_keys"]),
        "mismatched": [str(key) for key in loading["mismatched_keys"]],
        "ids": tokenizer(lines, add_special_tokens=False)["input_ids"],
        "generated": generated,
    }
    with open(f"{folder}/theirs.json", "w") as stream:
        json.dump(found, stream)


if __name__ == "__main__":
    torch.set_num_threads(1)
    texts = [json.loads(line) for line in sys.stdin]
    for each in sys.argv[1:]:
        look(each, texts)
