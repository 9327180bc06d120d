"""Published ways from text to a model, as settings of all stages; light, for the shell and DAG files import it."""

from dataclasses import dataclass, field

from threadmill.corpora.text.config import PRESETS as CORPUS_PRESETS
from threadmill.corpora.text.config import CorpusConfig
from threadmill.errors import ConfigError
from threadmill.pretraining.config import BertConfig, RecordsConfig, RobertaConfig
from threadmill.training.config import CheckpointConfig, TrainingConfig
from threadmill.vocab.config import VocabularyConfig


@dataclass(frozen=True)
class Recipe:
    """The settings of each stage, and where they come from."""

    description: str
    corpus: CorpusConfig = field(default_factory=CorpusConfig)
    vocabulary: VocabularyConfig = field(default_factory=VocabularyConfig)
    records: RecordsConfig = field(default_factory=BertConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    checkpoints: CheckpointConfig = field(default_factory=CheckpointConfig)


RECIPES = {
    "default": Recipe("text as it is, a small vocabulary and a tiny BERT: minutes on a laptop"),
    # Devlin et al. 2018, appendix A.2: 90 % of the million steps at a length of 128, batches of 256, warm-up 10,000.
    "bert": Recipe(
        "BERT-base, uncased, as in Devlin et al. 2018",
        vocabulary=VocabularyConfig(vocab_size=30_522),
        records=BertConfig(max_seq_length=128, max_predictions_per_seq=20, dupe_factor=10),
        training=TrainingConfig(model="bert-base", steps=900_000, batch_size=256, warmup_steps=10_000),
    ),
    # Abdelali et al. 2021 (arXiv:2102.10684). Not lower-cased: that would also strip the hamza off its letter.
    "qarib": Recipe(
        "BERT-base for Arabic tweets, as QARiB (Abdelali et al. 2021)",
        corpus=CORPUS_PRESETS["arabic"].config,
        vocabulary=VocabularyConfig(kind="sentencepiece-unigram", vocab_size=64_000, lowercase=False),
        records=BertConfig(max_seq_length=64, max_predictions_per_seq=20, dupe_factor=10),
        training=TrainingConfig(model="qarib", steps=2_000_000, batch_size=64, warmup_steps=10),
        checkpoints=CheckpointConfig(save_every=100_000, keep=20),
    ),
    "allegro": Recipe(
        "RoBERTa of four layers on product titles and reviews, as Allegro's demonstration",
        corpus=CORPUS_PRESETS["amazon"].config,
        vocabulary=VocabularyConfig(kind="bytelevel-bpe", vocab_size=30_000),
        records=RobertaConfig(max_seq_length=128),
        training=TrainingConfig(model="allegro-roberta", steps=10_000, batch_size=32, warmup_steps=100),
    ),
}


def find_recipe(name: str) -> Recipe:
    """The recipe of that name.

    Raises:
        ConfigError: there is none.
    """
    if name not in RECIPES:
        raise ConfigError(f"there is no recipe {name!r}; use one of {', '.join(RECIPES)}")
    return RECIPES[name]
