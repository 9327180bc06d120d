"""Reads JSON lines of conversations by Hugging Face's datasets; runs in an environment where Threadmill is not.

`python read_conversations.py FOLDER CACHE`: prints, by split, how many there are, the columns and the first one. The
columns are those of manifest.json, as the dataset's card tells them too: a line has no turns that its thread has not, so
that they cannot be told from the first lines.
"""

import json
import sys
from pathlib import Path

from datasets import Features, Value, load_dataset

folder, cache = sys.argv[1:]
schema = json.loads(Path(folder, "manifest.json").read_text())["schema"]
features = Features({field["name"]: Value("string") for field in schema})
files = {split: f"{folder}/{split}-*.jsonl" for split in ("train", "validation")}
loaded = load_dataset("json", data_files=files, features=features, cache_dir=cache)
print(json.dumps({split: [len(rows), sorted(rows.column_names), rows[0]] for split, rows in loaded.items()}))
