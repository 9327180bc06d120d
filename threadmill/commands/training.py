"""threadmill train and evaluate."""

import argparse

from threadmill.commands.options import Parsers, add_allow_partial, add_command, add_settings, given_settings
from threadmill.training.config import CheckpointConfig, EvaluationConfig, TrainingConfig


def add_parsers(parsers: Parsers) -> None:
    """Adds the area's subcommands."""
    train = add_command(
        parsers,
        "train",
        "pretrain a model on records; run again, it resumes exactly from the last checkpoint",
        "threadmill train /data/reddit/2006-01/records --vocab /data/reddit/vocabulary --model bert-tiny --steps 1000 "
        "--batch-size 64 --output /data/reddit/2006-01/model",
        _run_train,
    )
    train.add_argument("dataset", metavar="RECORDS", help="records dataset")
    train.add_argument("--vocab", required=True, metavar="DIR", help="the vocabulary that the records were made with")
    train.add_argument("--output", required=True, metavar="DIR", help="the model's folder, with its checkpoints")
    add_settings(train, TrainingConfig)
    add_settings(train, CheckpointConfig, title="checkpoints")
    add_allow_partial(train)
    evaluate = add_command(
        parsers,
        "evaluate",
        "measure a model on held-out records and print JSON",
        "threadmill evaluate /data/reddit/2006-01/model /data/reddit/2006-01/records",
        _run_evaluate,
    )
    evaluate.add_argument("model", metavar="MODEL", help="the model's folder")
    evaluate.add_argument("dataset", metavar="RECORDS", help="records dataset")
    evaluate.add_argument("--output", default="", metavar="DIR", help="where evaluation.json goes (default: MODEL/evaluation)")
    add_settings(evaluate, EvaluationConfig)
    add_allow_partial(evaluate)


def _run_train(arguments: argparse.Namespace) -> int:
    config = TrainingConfig(**given_settings(TrainingConfig, arguments))
    checkpoints = CheckpointConfig(**given_settings(CheckpointConfig, arguments))
    from threadmill.training.processes.preemption import leaving_at_sigterm

    with leaving_at_sigterm():
        from threadmill.training.stage import run_training

        places = arguments.dataset, arguments.vocab, arguments.output
        run_training(*places, config, checkpoints, allow_partial=arguments.allow_partial)
    return 0


def _run_evaluate(arguments: argparse.Namespace) -> int:
    config = EvaluationConfig(**given_settings(EvaluationConfig, arguments))
    import orjson

    from threadmill.training.processes.preemption import leaving_at_sigterm

    with leaving_at_sigterm():
        from threadmill.training.evaluation.stage import run_evaluation

        places = arguments.model, arguments.dataset, arguments.output
        scores = run_evaluation(*places, config, allow_partial=arguments.allow_partial)
    print(orjson.dumps(scores, option=orjson.OPT_INDENT_2).decode())
    return 0
