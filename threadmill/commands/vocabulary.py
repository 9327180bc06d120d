"""threadmill vocab: subword vocabularies."""

import argparse
import json
from typing import TYPE_CHECKING

from threadmill.commands.options import Parsers, add_command, add_output, add_settings, given_settings
from threadmill.vocab.config import CheckConfig, VocabularyConfig

if TYPE_CHECKING:
    from threadmill.vocab.check import Findings


def add_parsers(parsers: Parsers) -> None:
    """Adds the area's subcommands."""
    vocab = parsers.add_parser("vocab", help="subword vocabularies", description="Subword vocabularies.")
    commands = vocab.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_train(commands)
    _add_check(commands)


def _add_train(commands: Parsers) -> None:
    parser = add_command(
        commands,
        "train",
        "a vocabulary from a random sample of one or more corpora",
        "threadmill vocab train /data/books /data/reddit/2006-01/conversations --kind wordpiece --size 30000 "
        "--output /data/vocabulary",
        _run_train,
    )
    parser.add_argument(
        "corpora", nargs="+", metavar="CORPUS", help="text file, folder of them, or dataset of text or conversations"
    )
    parser.add_argument("--size", dest="vocab_size", type=int, metavar="N", help="entries at most (default: 8192)")
    add_output(parser)
    add_settings(parser, VocabularyConfig, without=("vocab_size",))


def _run_train(arguments: argparse.Namespace) -> int:
    config = VocabularyConfig(**given_settings(VocabularyConfig, arguments))
    from threadmill.engine.run import run_stage
    from threadmill.vocab.stage import VocabularyStage

    run_stage(
        VocabularyStage(arguments.corpora, config),
        arguments.output,
        workers=arguments.workers,
        allow_partial=arguments.allow_partial,
    )
    return 0


def _add_check(commands: Parsers) -> None:
    parser = add_command(
        commands,
        "check",
        "what is wrong with a vocabulary, and how it fits a corpus; the exit status is 1 where it has a fault",
        "threadmill vocab check /data/vocabulary /data/books --max-unknown-rate 0.001",
        _run_check,
    )
    parser.add_argument("vocabulary", metavar="DIR", help="vocabulary dataset, or a vocab.txt of Google's format or its folder")
    parser.add_argument("corpora", nargs="*", metavar="CORPUS", help="text file, folder of them, or a dataset")
    parser.add_argument("--cased", action="store_true", help="a bare vocab.txt is of cased text")
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_settings(parser, CheckConfig, title="limits")


def _run_check(arguments: argparse.Namespace) -> int:
    config = CheckConfig(**given_settings(CheckConfig, arguments))
    from threadmill.vocab.check import check_vocabulary

    findings = check_vocabulary(arguments.vocabulary, arguments.corpora, config, cased=arguments.cased)
    if arguments.json:
        print(json.dumps(findings.to_json(), ensure_ascii=False, indent=2))
    else:
        _print_findings(findings)
    return 1 if findings.faults else 0


def _print_findings(findings: "Findings") -> None:
    form = f" as {findings.form}" if findings.form else ""
    rows = {
        "kind": f"{findings.kind}{form}, {'lower-cased' if findings.lowercase else 'cased'}",
        "entries": f"{findings.entries:,}",
        "special tokens": ", ".join(f"{name} {number}" for name, number in findings.specials.items()) or "none",
        "duplicates": f"{findings.duplicates:,}",
        "blank lines": f"{findings.blank_lines:,}",
    }
    if findings.coverage is not None and findings.characters is not None:
        fit, characters = findings.coverage, findings.characters
        rows |= {
            "corpus": f"{fit.lines:,} lines, {fit.words:,} words",
            "unknown words": f"{fit.unknown_words:,} ({fit.unknown_rate or 0:.4%})",
            "tokens a word": f"{fit.tokens_per_word or 0:.4f}",
            "characters": f"{characters.characters:,} distinct, {characters.coverage or 0:.4%} of the text is in the vocabulary",
            "  missing bare": f"{characters.missing_bare:,}",
            "  missing inside": f"{characters.missing_continuations:,}",
            "  such as": " ".join(characters.examples) or "-",
        }
    width = max(map(len, rows))
    for name, value in rows.items():
        print(f"{name:<{width}}  {value}")
    for fault in findings.faults:
        print(f"fault: {fault}")
