"""Loads an export by transformers and torch; runs in an environment where neither Threadmill nor Keras is.

`python load_exports.py FOLDER INPUTS.npz OUTPUTS.npz < lines`: runs the model on the arrays of INPUTS.npz, by the names of
its forward's arguments, writes its outputs to OUTPUTS.npz, and prints a JSON object of what it found.
"""

import json
import sys

import numpy as np
import torch
import transformers
from transformers import AutoModel, AutoTokenizer

_AUTO = {
    "BertForPreTraining": "AutoModelForPreTraining",
    "BertForMaskedLM": "AutoModelForMaskedLM",
    "RobertaForMaskedLM": "AutoModelForMaskedLM",
    "BlenderbotForConditionalGeneration": "AutoModelForSeq2SeqLM",
    "BlenderbotSmallForConditionalGeneration": "AutoModelForSeq2SeqLM",
    "GPT2LMHeadModel": "AutoModelForCausalLM",
}


def main(folder: str, inputs_path: str, outputs_path: str) -> None:
    torch.set_num_threads(1)
    with open(f"{folder}/config.json") as stream:
        (name,) = json.load(stream)["architectures"]
    model, loading = getattr(transformers, name).from_pretrained(folder, output_loading_info=True)
    same = getattr(transformers, _AUTO[name]).from_pretrained(folder)
    model.eval()
    with np.load(inputs_path) as arrays:
        inputs = {key: torch.from_numpy(arrays[key].astype(np.int64)) for key in arrays}
    with torch.no_grad():
        outputs = model(**inputs)
    np.savez(outputs_path, **{key: value.numpy() for key, value in outputs.items() if isinstance(value, torch.Tensor)})
    tokenizer = AutoTokenizer.from_pretrained(folder)
    lines = [json.loads(line) for line in sys.stdin]
    generated = []
    if model.can_generate() and name != "BertForPreTraining" and "MaskedLM" not in name:
        tokens = tokenizer(lines[0], return_tensors="pt")
        generated = model.generate(**tokens)[0].tolist()
    found = {
        "class": name,
        "class by AutoModelFor...": type(same).__name__,
        "class by AutoModel": type(AutoModel.from_pretrained(folder)).__name__,
        "missing": sorted(loading["missing_keys"]),
        "unexpected": sorted(loading["unexpected_keys"]),
        "mismatched": [str(key) for key in loading["mismatched_keys"]],
        "ids": tokenizer(lines, add_special_tokens=False)["input_ids"],
        "with special tokens": tokenizer(lines[0], lines[1])["input_ids"],
        "specials": [tokenizer.pad_token_id, tokenizer.cls_token_id, tokenizer.sep_token_id],
        "decoded": tokenizer.decode(tokenizer(lines[0])["input_ids"], skip_special_tokens=True),
        "generated": generated,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
