import pytest

from threadmill.engine.beam.options import beam_flags, parse_flags, split_flags
from threadmill.errors import ConfigError
from threadmill.settings import Settings


def flags(**settings: str) -> list[str]:
    return beam_flags(Settings(**settings), "threadmill-a")


def test_the_settings_are_beams_options() -> None:
    made = flags(
        beam_runner="FlinkRunner",
        beam_job_endpoint="flink:8099",
        beam_environment_type="EXTERNAL",
        beam_environment_config="pool:50000",
        beam_options="--flink_master=flink:8081 --labels='a=b c'",
    )
    options = parse_flags(made).get_all_options()
    assert (options["job_endpoint"], options["environment_type"], options["environment_config"]) == (
        "flink:8099",
        "EXTERNAL",
        "pool:50000",
    )
    assert (options["flink_master"], options["labels"], options["job_name"]) == ("flink:8081", ["a=b c"], "threadmill-a")


def test_where_no_environment_is_set_workers_run_in_the_launcher() -> None:
    assert "--environment_type=LOOPBACK" in flags(beam_runner="SparkRunner")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"beam_runner": "SamzaRunner"}, "'SamzaRunner' is no runner; set one of PrismRunner,"),
        ({"beam_runner": "PortableRunner"}, "PortableRunner needs a job service; set THREADMILL_BEAM_JOB_ENDPOINT=HOST:PORT"),
        ({"beam_environment_type": "VM"}, "'VM' is none of LOOPBACK, EXTERNAL"),
        ({"beam_environment_type": "EXTERNAL"}, "environment EXTERNAL needs a worker pool's HOST:PORT; set"),
        ({"beam_environment_type": "DOCKER"}, "environment DOCKER needs an image with threadmill in it; set"),
        ({"beam_environment_config": "x:1"}, "of no use without THREADMILL_BEAM_ENVIRONMENT_TYPE"),
        ({"beam_options": "--a 'b"}, "THREADMILL_BEAM_OPTIONS: No closing quotation; close the quote"),
    ],
)
def test_settings_of_no_use_are_told_with_the_remedy(settings: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        flags(**settings)
    assert message in str(raised.value)


class TestAnOptionThatBeamDoesNotKnow:
    def test_is_refused_with_the_one_that_is_near(self) -> None:
        with pytest.raises(ConfigError, match="Beam has no option --flink_mastr=a:1; did you mean --flink_master"):
            parse_flags(["--flink_mastr=a:1"])

    def test_is_refused_where_none_is_near(self) -> None:
        with pytest.raises(ConfigError, match="Beam has no option --zzz; take it out"):
            parse_flags(["--zzz"])

    def test_is_taken_where_the_job_service_knows_it(self) -> None:
        parse_flags(["--state_backend=rocksdb"], {"state_backend"})
        parse_flags(["--state_backend", "rocksdb"], {"state_backend"})

    def test_is_refused_where_it_is_no_option_at_all(self) -> None:
        with pytest.raises(ConfigError, match="Beam has no option rocksdb"):
            parse_flags(["rocksdb"])


def test_a_value_of_no_use_is_an_error_not_the_programs_end() -> None:
    with pytest.raises(ConfigError, match="Beam's options: argument --num_workers: invalid int value: 'many'; mend it"):
        parse_flags(["--num_workers=many"])


def test_options_are_split_as_a_shell_does() -> None:
    assert split_flags("--a=1 --b='2 3'", "X") == ["--a=1", "--b=2 3"]
