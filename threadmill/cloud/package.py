"""The wheel of this installation with its locked set: workers and TPU hosts run, to the byte, what their launcher runs."""

import base64
import hashlib
import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

import threadmill
from threadmill.datasets import storage
from threadmill.errors import ConfigError, InputError
from threadmill.settings import get_settings

_NAME = "threadmill"
_ROOT = Path(threadmill.__file__).parent
_SUFFIXES = frozenset({".py", ".sql", ".txt", ".toml", ".j2"})  # sources; numba's cache and bytecode lie beside them
_WORKER_EXTRAS = ("gcp",)
_HOST_EXTRAS = ("gcp", "train", "jax")
_EPOCH = (1980, 1, 1, 0, 0, 0)  # of each file in a wheel: the same sources make the same bytes


@dataclass(frozen=True)
class Package:
    """Threadmill as it was staged.

    Attributes:
        wheel_uri: the wheel; its extras are `gcp`, `train` and `jax`.
        constraints_uri: NAME==VERSION a line: the versions that this installation has of all that the wheel can need, for
            pip's ``--constraint``.
        build_id: of the wheel.
    """

    wheel_uri: str
    constraints_uri: str
    build_id: str


@cache
def build_id() -> str:
    """The digest of the library's source files, 16 hexadecimal digits: two machines with the same make the same bytes."""
    return _digest({name: path.read_bytes() for name, path in _sources()})


def stage_package(folder_uri: str) -> Package:
    """Puts the wheel and the versions of what it needs below ``folder_uri``, in a folder named by the build; once.

    Raises:
        ConfigError: this installation has no metadata; or the setting `package` names a wheel of another build.
        InputError: the setting `package` names no wheel.
    """
    folder = storage.join(folder_uri, build_id())
    wheel = storage.join(folder, wheel_name())
    constraints = storage.join(folder, "constraints.txt")
    storage.make_directory(folder)
    for uri, content in ((wheel, wheel_bytes()), (constraints, _lines(locked(_HOST_EXTRAS)))):
        if storage.size(uri) != len(content):
            storage.write_bytes(uri, content)
    return Package(wheel, constraints, build_id())


def worker_files(folder: Path) -> tuple[Path, Path]:
    """Writes the wheel and a requirements file for workers of Beam into the local ``folder``; returns their paths.

    Beam gives each line of the requirements to pip as one argument, and fetches nothing that they need in turn: so each is
    NAME==VERSION, and all are there. Beam itself is left out: the workers have it.
    """
    wheel, requirements = folder / wheel_name(), folder / "requirements.txt"
    wheel.write_bytes(wheel_bytes())
    requirements.write_bytes(_lines(locked(_WORKER_EXTRAS, without=frozenset({"apache-beam"}))))
    return wheel, requirements


def wheel_name() -> str:
    """The file name of the wheel (PEP 427)."""
    return f"{_NAME}-{_distribution().version}-py3-none-any.whl"


@cache
def wheel_bytes() -> bytes:
    """The wheel: the one that the setting `package` names, or else one packed from the files that this process runs.

    A checkout (an editable installation) and an installed wheel give the same bytes: nothing is built, so no build tool and no
    network is needed.

    Raises:
        ConfigError, InputError: as `stage_package`.
    """
    if named := get_settings().package:
        return _named_wheel(named)
    return _pack()


@cache
def locked(extras: tuple[str, ...], without: frozenset[str] = frozenset()) -> dict[str, str]:
    """The versions here, by canonical name, of all that threadmill with ``extras`` needs, directly or not.

    An extra of which a part is not installed is left out, as are the packages ``without`` and what only they need.
    """
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    found: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    waiting = [(_NAME, extra) for extra in ("", *(extra for extra in extras if _is_installed(extra)))]
    while waiting:
        name, extra = waiting.pop()
        if (name, extra) in seen or name in without:
            continue
        seen.add((name, extra))
        try:
            package = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue  # what is wanted on other systems only, or is no fault of ours
        if name != _NAME:
            found[name] = package.version.partition("+")[0]
        for requirement in map(Requirement, package.requires or ()):
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                needed = canonicalize_name(requirement.name)
                waiting.extend((needed, wanted) for wanted in ("", *requirement.extras))
    return dict(sorted(found.items()))


def _is_installed(extra: str) -> bool:
    from packaging.requirements import Requirement

    for requirement in map(Requirement, _distribution().requires or ()):
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            continue
        if requirement.marker.evaluate({"extra": extra}):
            try:
                metadata.distribution(requirement.name)
            except metadata.PackageNotFoundError:
                return False
    return True


def _distribution() -> metadata.Distribution:
    try:
        return metadata.distribution(_NAME)
    except metadata.PackageNotFoundError:
        raise ConfigError(
            "threadmill runs from a folder that is not installed, so no wheel can be made of it; run `pip install -e .` in it"
        ) from None


def _sources() -> Iterator[tuple[str, Path]]:
    """The library's files by their names in a wheel, sorted; the statements of a checkout lie beside the library."""
    files = {path.relative_to(_ROOT.parent).as_posix(): path for path in _ROOT.rglob("*") if path.suffix in _SUFFIXES}
    packaged = _ROOT / "sql"
    for path in (packaged if packaged.is_dir() else _ROOT.parent / "sql").glob("*.sql"):
        files[f"{_NAME}/sql/{path.name}"] = path
    yield from sorted((name, path) for name, path in files.items() if "__pycache__" not in name)


def _digest(files: dict[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name, content in sorted(files.items()):
        digest.update(f"{name}\n{hashlib.sha256(content).hexdigest()}\n".encode())
    return digest.hexdigest()[:16]


def _pack() -> bytes:
    distribution = _distribution()
    folder = f"{_NAME}-{distribution.version}.dist-info"
    files = {name: path.read_bytes() for name, path in _sources()}
    for name in ("METADATA", "entry_points.txt", "licenses/LICENSE"):
        if text := distribution.read_text(name):
            files[f"{folder}/{name}"] = text.encode()
    files[f"{folder}/WHEEL"] = b"Wheel-Version: 1.0\nGenerator: threadmill\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    record = "".join(f"{name},sha256={_urlsafe(content)},{len(content)}\n" for name, content in files.items())
    files[f"{folder}/RECORD"] = f"{record}{folder}/RECORD,,\n".encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as wheel:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            wheel.writestr(entry, content)
    return packed.getvalue()


def _urlsafe(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def _named_wheel(uri: str) -> bytes:
    try:
        content = storage.read_bytes(uri)
        with zipfile.ZipFile(io.BytesIO(content)) as wheel:
            files = {name: wheel.read(name) for name in wheel.namelist()}
    except (OSError, zipfile.BadZipFile) as error:
        raise InputError(f"THREADMILL_PACKAGE={uri} is no wheel ({error}); name one, or unset it") from error
    sources = {
        name: content for name, content in files.items() if name.startswith(f"{_NAME}/") and Path(name).suffix in _SUFFIXES
    }
    found = _digest(sources)
    if found != build_id():
        raise ConfigError(
            f"THREADMILL_PACKAGE={uri} is of build {found}, but this installation of {build_id()}; "
            "make the wheel again from the same sources, or unset it"
        )
    return content


def _lines(versions: dict[str, str]) -> bytes:
    return "".join(f"{name}=={version}\n" for name, version in versions.items()).encode()
