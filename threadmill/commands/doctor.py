"""threadmill doctor: is this deployment ready to run?"""

import argparse
import json

from threadmill.commands.options import Parsers, add_command


def add_parsers(parsers: Parsers) -> None:
    """Adds the area's subcommands."""
    doctor = add_command(
        parsers,
        "doctor",
        "check this machine and, where anything runs on Google Cloud, the project: each line passes, fails with the command that "
        "mends it, or is skipped; exit status 2 where one fails",
        "threadmill doctor",
        _run_doctor,
    )
    doctor.add_argument("--resolve", action="store_true", help="also ask the package index for all that workers install")
    doctor.add_argument("--timeout", type=float, default=90, metavar="SECONDS", help="that the checks may take (default: 90)")
    doctor.add_argument("--json", action="store_true", help="for programs")


def _run_doctor(arguments: argparse.Namespace) -> int:
    from threadmill.doctor.examination import as_lines, check_deployment, has_failed, to_json
    from threadmill.settings import get_settings

    findings = check_deployment(get_settings(), resolve=arguments.resolve, seconds=arguments.timeout)
    print(json.dumps(to_json(findings), indent=2) if arguments.json else "\n".join(as_lines(findings)))
    return 2 if has_failed(findings) else 0
