import re
from fnmatch import fnmatch

from tests.airflow_home import REPOSITORY

TEXT = (REPOSITORY / "docker" / "worker.Dockerfile").read_text()
IGNORED = (REPOSITORY / "docker" / "worker.Dockerfile.dockerignore").read_text().splitlines()


def test_its_beam_is_the_launchers() -> None:
    locked = re.findall(r"^apache-beam==(.*)$", (REPOSITORY / "constraints.txt").read_text(), flags=re.MULTILINE)
    assert re.findall(r"^FROM apache/beam_python3\.11_sdk:(\S+)", TEXT, flags=re.MULTILINE) == locked


def test_it_is_made_of_what_is_there_and_nothing_else_is_sent() -> None:
    copied = {name for match in re.findall(r"^COPY (?!--from)(.*)$", TEXT, flags=re.MULTILINE) for name in match.split()[:-1]}
    sent = {line[1:] for line in IGNORED if line.startswith("!")}
    assert [name for name in copied if not (REPOSITORY / name).exists()] == []
    assert sorted(sent) == sorted(copied)
    assert IGNORED[1] == "*"
    assert not any(fnmatch(".env", pattern) for pattern in sent)


def test_beam_starts_it() -> None:
    assert TEXT.rstrip().endswith('ENTRYPOINT ["/opt/apache/beam/boot"]')
