"""What training takes from a records dataset: format, files of a split, and whether a vocabulary is the one of the records."""

from dataclasses import dataclass

from threadmill.datasets import storage
from threadmill.datasets.dataset import Dataset
from threadmill.errors import InputError

HELD_OUT_SPLITS = ("validation", "test")

# The objectives whose records have features that `RecordFormat` knows.
OBJECTIVES = ("bert", "roberta", "seq2seq", "causal")

_GZIP_SUFFIX = ".gz"


@dataclass(frozen=True)
class RecordFormat:
    """What one record holds.

    Attributes:
        objective: one of `OBJECTIVES`.
        max_seq_length, max_predictions_per_seq: its fixed lengths, S tokens and P masked positions (0 for seq2seq and causal).
        features: the names of its features; BERT's are google-research/bert's (v1), or TensorFlow Model Garden's (v2).
        max_target_length: T tokens of the responses; 0 but for seq2seq.
    """

    objective: str
    max_seq_length: int
    max_predictions_per_seq: int
    features: tuple[str, ...]
    max_target_length: int = 0

    @property
    def masked(self) -> bool:
        """Whether models learn the records by their masked tokens."""
        return self.objective in ("bert", "roberta")

    @property
    def static_masks(self) -> bool:
        """Whether the tokens are masked in the records; if not, and they are ``masked``, training masks them as it reads."""
        return "masked_lm_positions" in self.features

    @property
    def next_sentence(self) -> bool:
        """Whether a record tells if its second segment is the first one's next."""
        return "next_sentence_labels" in self.features


@dataclass(frozen=True)
class RecordFiles:
    """The shards of one split.

    Attributes:
        files: their URIs (local ones as absolute paths), in the manifest's order.
        records: how many they hold together.
        format: of each record.
    """

    files: tuple[str, ...]
    records: int
    format: RecordFormat

    @property
    def gzip(self) -> bool:
        """Whether the files are compressed."""
        return self.files[0].endswith(_GZIP_SUFFIX)


def open_records(uri: str) -> Dataset:
    """The dataset at ``uri``, which must hold pretraining records of one of `OBJECTIVES`.

    Raises:
        InputError: no dataset there, or one of another kind.
    """
    dataset = Dataset.open(uri)
    manifest = dataset.manifest
    if manifest.stage != "records":
        raise InputError(f"{uri} is a dataset of the stage {manifest.stage}, not of records; name a records dataset")
    objective = manifest.config.get("objective")
    if objective not in OBJECTIVES:
        raise InputError(
            f"the records at {uri} are made for the objective {objective}, which no model here learns; make records for "
            f"one of {', '.join(OBJECTIVES)}"
        )
    return dataset


def record_files(dataset: Dataset, split: str) -> RecordFiles:
    """The shards of ``split``, all there and of the size that the manifest tells.

    Raises:
        InputError: no such split, no record in it, or a shard is missing or cut.
    """
    shards = dataset.shards(split)
    records = sum(shard.records for shard in shards)
    if not records:
        splits = ", ".join(dataset.splits()) or "none"
        raise InputError(f"{dataset.uri} has no records in the split {split} (its splits: {splits}); make records that have")
    for shard in shards:
        size = storage.size(dataset.path(shard))
        if size != shard.bytes:
            state = "is missing" if size < 0 else f"has {size} bytes instead of {shard.bytes}"
            raise InputError(f"{dataset.path(shard)} {state}; run the stage that writes the records again")
    files = tuple(storage.absolute(dataset.path(shard)) for shard in shards if shard.records)
    return RecordFiles(files, records, record_format(dataset))


def record_format(dataset: Dataset) -> RecordFormat:
    """What the records in ``dataset`` hold, from its manifest's config and schema."""
    config, schema = dataset.manifest.config, dataset.manifest.schema
    return RecordFormat(
        objective=config["objective"],
        max_seq_length=int(config["max_seq_length"]),
        max_predictions_per_seq=int(config.get("max_predictions_per_seq", 0)),
        features=tuple(field.name for field in schema),
        max_target_length=int(config.get("max_target_length", 0)),
    )


def held_out_split(dataset: Dataset, split: str) -> str:
    """``split``, or where that is "" the first of `HELD_OUT_SPLITS` that has records.

    Raises:
        InputError: there is none.
    """
    if split:
        return split
    for name in HELD_OUT_SPLITS:
        if any(shard.records for shard in dataset.shards(name)):
            return name
    raise InputError(
        f"{dataset.uri} has no records in a {' or '.join(HELD_OUT_SPLITS)} split to evaluate on; make records that have"
    )


def check_vocabulary(records: Dataset, digest: str, whose: str) -> None:
    """Raises InputError unless ``records`` were made with the vocabulary of the manifest digest ``digest``."""
    if digest not in {entry.digest for entry in records.manifest.inputs}:
        inputs = ", ".join(f"{entry.name} ({entry.digest[:12]})" for entry in records.manifest.inputs)
        raise InputError(
            f"the records at {records.uri} were not made with the vocabulary of {whose} ({digest[:12]}) but from {inputs}; "
            "name the vocabulary that they were made with, or make the records again"
        )
