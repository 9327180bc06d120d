"""threadmill recipe: a published way from text to records, or to a model, in one command."""

import argparse
from dataclasses import replace
from typing import Any

from threadmill.commands.options import Parsers, add_command, worker_count
from threadmill.recipes import RECIPES, Recipe, find_recipe

# What one departs from most often; for the rest there are the stages' own commands.
_VOCABULARY = {"vocab_size": "entries of the vocabulary", "sample_lines": "lines that the vocabulary is trained on at most"}
_RECORDS = {
    "max_seq_length": "tokens of a record",
    "max_predictions_per_seq": "masked tokens of a record at most",
    "dupe_factor": "passes over each document",
}
_TRAINING = {"steps": "updates in all", "batch_size": "sequences an update", "warmup_steps": "updates of warm-up"}


def add_parsers(parsers: Parsers) -> None:
    """Adds the area's subcommands."""
    parser = add_command(
        parsers,
        "recipe",
        "text to a corpus, a vocabulary and records by a published recipe, in one command",
        "threadmill recipe qarib tweets.txt --output /data/qarib",
        _run_recipe,
    )
    parser.add_argument(
        "recipe",
        metavar="RECIPE",
        help="; ".join(f"{name}: {recipe.description}" for name, recipe in RECIPES.items()).replace("%", "%%"),
    )
    parser.add_argument("sources", nargs="+", metavar="SOURCE", help="what `threadmill corpus` takes")
    parser.add_argument(
        "--output", required=True, metavar="DIR", help="the folder of the datasets: corpus, vocabulary, records, and model"
    )
    parser.add_argument("--train", action="store_true", help="also train the recipe's model: for a machine with an accelerator")
    parser.add_argument("--workers", type=worker_count, metavar="N", help="processes at most (default: one a core)")
    parser.add_argument("--model", metavar="NAME", help="another model than the recipe's")
    for name, help in {**_VOCABULARY, **_RECORDS, **_TRAINING}.items():
        parser.add_argument("--" + name.replace("_", "-"), type=int, metavar="N", help=f"{help} (default: the recipe's)")


def _run_recipe(arguments: argparse.Namespace) -> int:
    recipe = _changed(find_recipe(arguments.recipe), vars(arguments))
    from threadmill.corpora.text.stage import CorpusStage
    from threadmill.datasets.storage import join
    from threadmill.engine.run import run_stage
    from threadmill.pretraining.stage import RecordsStage
    from threadmill.vocab.stage import VocabularyStage

    corpus, vocabulary, records, model = (join(arguments.output, name) for name in ("corpus", "vocabulary", "records", "model"))
    run_stage(CorpusStage(arguments.sources, recipe.corpus), corpus, workers=arguments.workers)
    run_stage(VocabularyStage([corpus], recipe.vocabulary), vocabulary, workers=arguments.workers)
    run_stage(RecordsStage([corpus], vocabulary, recipe.records), records, workers=arguments.workers)
    if arguments.train:
        from threadmill.training.stage import run_training

        run_training(records, vocabulary, model, recipe.training, recipe.checkpoints)
    return 0


def _changed(recipe: Recipe, given: dict[str, Any]) -> Recipe:
    """The recipe with the settings that were given instead of its own."""

    def chosen(names: dict[str, str]) -> dict[str, Any]:
        return {name: given[name] for name in names if given[name] is not None}

    training = chosen({**_TRAINING, "model": ""})
    if "steps" in training:  # whose warm-up may be longer than all of a shortened run
        training = {"warmup_steps": -1, **training}
    return replace(
        recipe,
        vocabulary=replace(recipe.vocabulary, **chosen(_VOCABULARY)),
        records=replace(recipe.records, **chosen(_RECORDS)),
        training=replace(recipe.training, **training),
    )
