"""threadmill inspect: pretraining records as readable text."""

import argparse

from threadmill.commands.options import Parsers, add_command


def add_parsers(parsers: Parsers) -> None:
    """Adds the area's subcommand."""
    parser = add_command(
        parsers,
        "inspect",
        "print pretraining records as text, with masks, segments and labels; {dog=cat} is a masked token: "
        "what the model sees, and what it must say",
        "threadmill inspect /data/reddit/2006-01/records --records 3",
        _run_inspect,
    )
    parser.add_argument("dataset", metavar="RECORDS", help="records dataset; or a TFRecord file or a folder of them")
    parser.add_argument("--vocab", metavar="DIR", help="the vocabulary (default: where the manifest says it lies)")
    parser.add_argument("--split", metavar="NAME", help="print records of this split (default: of all)")
    parser.add_argument("--records", type=int, default=5, metavar="N", help="records to print (default: 5)")


def _run_inspect(arguments: argparse.Namespace) -> int:
    from threadmill.pretraining.inspect import inspect_records
    from threadmill.vocab.vocabulary import Vocabulary

    vocabulary = Vocabulary.load(arguments.vocab) if arguments.vocab else None
    for text in inspect_records(arguments.dataset, vocabulary, arguments.records, arguments.split):
        print(text)
    return 0
