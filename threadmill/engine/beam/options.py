"""The deployment's settings as Beam's options; an option that Beam does not know is an error, not a warning."""

import difflib
import shlex
from collections.abc import Collection, Sequence
from typing import NoReturn

from apache_beam.options.pipeline_options import PipelineOptions, _BeamArgumentParser

from threadmill.errors import ConfigError
from threadmill.settings import Settings

RUNNERS = ("PrismRunner", "PortableRunner", "FlinkRunner", "SparkRunner", "FnApiRunner")
ENVIRONMENTS = ("LOOPBACK", "EXTERNAL", "DOCKER", "PROCESS")


def beam_flags(settings: Settings, job_name: str) -> list[str]:
    """Beam's command line where the engine is beam.

    Raises:
        ConfigError: there is no such runner or type of environment, or what they need is not set.
    """
    if settings.beam_runner not in RUNNERS:
        raise ConfigError(f"THREADMILL_BEAM_RUNNER={settings.beam_runner!r} is no runner; set one of {', '.join(RUNNERS)}")
    if settings.beam_runner == "PortableRunner" and not settings.beam_job_endpoint:
        raise ConfigError("PortableRunner needs a job service; set THREADMILL_BEAM_JOB_ENDPOINT=HOST:PORT")
    flags = [f"--job_name={job_name}", "--experiments=disable_logging_submission_environment"]  # the build tells it
    if settings.beam_job_endpoint:
        flags.append(f"--job_endpoint={settings.beam_job_endpoint}")
    return [*flags, *_environment(settings), *split_flags(settings.beam_options, "THREADMILL_BEAM_OPTIONS")]


def _environment(settings: Settings) -> list[str]:
    kind, config = settings.beam_environment_type, settings.beam_environment_config
    if not kind:
        if config:
            raise ConfigError("THREADMILL_BEAM_ENVIRONMENT_CONFIG is of no use without THREADMILL_BEAM_ENVIRONMENT_TYPE; set it")
        # Beam's own default, a container of Beam's image, has no threadmill in it.
        return ["--environment_type=LOOPBACK"]
    if kind not in ENVIRONMENTS:
        raise ConfigError(f"THREADMILL_BEAM_ENVIRONMENT_TYPE={kind!r} is none of {', '.join(ENVIRONMENTS)}; set one of them")
    if kind != "LOOPBACK" and not config:
        wanted = {"EXTERNAL": "a worker pool's HOST:PORT", "DOCKER": "an image with threadmill in it", "PROCESS": "a command"}
        raise ConfigError(f"environment {kind} needs {wanted[kind]}; set THREADMILL_BEAM_ENVIRONMENT_CONFIG")
    return [f"--environment_type={kind}", *([f"--environment_config={config}"] if config else [])]


def split_flags(text: str, variable: str) -> list[str]:
    """The options in a setting, as a shell would split them.

    Raises:
        ConfigError: a quote has no end.
    """
    try:
        return shlex.split(text)
    except ValueError as error:
        raise ConfigError(f"{variable}: {error}; close the quote") from None


def parse_flags(flags: Sequence[str], also_known: Collection[str] = ()) -> PipelineOptions:
    """Beam's options of a command line.

    Args:
        also_known: names of options, without hyphens, that the job service knows and this Beam does not.

    Raises:
        ConfigError: an option that is not known, with those whose names are near; or one with a value of no use.
    """
    parser = _Parser(allow_abbrev=False, add_help=False)
    for options in {str(kind): kind for kind in PipelineOptions.__subclasses__()}.values():
        if "_add_argparse_args" in options.__dict__:
            options._add_argparse_args(parser)
    _, unknown = parser.parse_known_args(list(flags))
    names = [name for action in parser._actions for name in action.option_strings]
    for flag in unknown:
        name = flag.partition("=")[0]
        if flag.startswith("--") and name.removeprefix("--") in also_known:
            continue
        if not flag.startswith("--") and also_known:
            continue  # the value of such an option
        near = difflib.get_close_matches(name, [*names, *(f"--{known}" for known in also_known)])
        hint = f"; did you mean {' or '.join(near)}?" if near else "; take it out"
        raise ConfigError(f"Beam has no option {flag}{hint}")
    return PipelineOptions(list(flags))


class _Parser(_BeamArgumentParser):  # type: ignore[misc]
    """Raises where argparse would end the program."""

    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"Beam's options: {message}; mend it")
