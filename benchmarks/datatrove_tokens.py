"""datatrove's way from Reddit comments to tokens, for comparison: read, filter by length and tombstones, tokenise, one worker.

To be run by a Python that has datatrove, `tokenizers` and `orjson`; it prints the CPU seconds of the pipeline:
`python benchmarks/datatrove_tokens.py FOLDER_OF_NDJSON_ZST TOKENIZER_JSON OUTPUT`.
"""

import resource
import sys

from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.filters import LambdaFilter
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.tokens import DocumentTokenizer

_TOMBSTONES = ("[deleted]", "[removed]", "")


def main() -> None:
    """Runs the pipeline in this process."""
    source, tokenizer, output = sys.argv[1:]
    pipeline = [
        JsonlReader(source, text_key="body", glob_pattern="RC_*.zst", compression="zstd"),
        LambdaFilter(lambda document: document.text not in _TOMBSTONES and 9 <= len(document.text) <= 10_000),
        DocumentTokenizer(output, tokenizer_name_or_path=tokenizer, eos_token=None, shuffle_documents=False),
    ]
    before = resource.getrusage(resource.RUSAGE_SELF)
    LocalPipelineExecutor(pipeline, logging_dir=f"{output}/logs", skip_completed=False).run()
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    after = resource.getrusage(resource.RUSAGE_SELF)
    print(sum(usage.ru_utime + usage.ru_stime for usage in (after, children)) - before.ru_utime - before.ru_stime)


if __name__ == "__main__":
    main()
