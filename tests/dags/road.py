"""The tasks of our DAGs in their order, and where each leaves its dataset."""

from pathlib import Path

TASKS = [
    *("plan", "price", "approve", "wait_for_source", "ingest", "check_comments", "threads", "conversations"),
    *(
        "signatures",
        "deduplicate",
        "check_conversations",
        "vocabulary",
        "records",
        "train",
        "evaluate",
        "export",
        "report",
        "publish",
    ),
]

TEXT_TASKS = ["plan", "price", "approve", "corpus", "vocabulary", "records", "train", "evaluate", "export", "report", "publish"]

_BEFORE = ("plan", "price", "approve", "wait_for_source")  # what begins: these write no dataset
_NAMES = {"ingest": "comments", "deduplicate": "deduplicated", "train": "model", "evaluate": "evaluation"}


def dataset_folders(root: Path, month: str) -> dict[str, Path]:
    """Of reddit_refresh, by task, in the road's order; of a month that made a vocabulary of its own."""
    writers = [task for task in TASKS if task not in (*_BEFORE, "publish") and not task.startswith("check_")]
    folders = {task: root / "reddit" / month / _NAMES.get(task, task) for task in writers}
    return {**folders, "vocabulary": root / "reddit" / "vocabularies" / month}


def text_folders(root: Path, name: str) -> dict[str, Path]:
    """Of text_corpus, by task, in its order."""
    return {task: root / "text" / name / _NAMES.get(task, task) for task in TEXT_TASKS if task not in (*_BEFORE, "publish")}
