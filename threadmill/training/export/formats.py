"""The formats of exports, and what the exporter's process is told. Light to import."""

import re
from dataclasses import dataclass

from threadmill.config import check_settings, setting
from threadmill.errors import ConfigError

KERAS, SAVED_MODEL, HUGGING_FACE = "keras", "savedmodel", "huggingface"

# The registry of formats: the file by which each is known, and its media type.
FORMATS = {
    KERAS: ("model.keras", "application/x-keras"),
    SAVED_MODEL: ("saved_model.pb", "application/x-tensorflow-saved-model"),
    HUGGING_FACE: ("model.safetensors", "application/x-safetensors"),
}

# A language's code (BCP 47), and a licence's name on Hugging Face's hub.
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_LICENSE = re.compile(r"[a-z0-9][a-z0-9.-]*")


@dataclass(frozen=True)
class ExportConfig:
    """What an export depends on besides the model."""

    to: str = setting(KERAS, "Format", choices=tuple(FORMATS))
    cased: bool = setting(False, "The vocabulary, a bare vocab.txt that does not say so, is of cased text")
    language: str = setting("", "Language that the model card tells, as its code (en); empty for none")
    license: str = setting(
        "", "Licence that the model card tells, by its name on Hugging Face's hub (apache-2.0); empty for none"
    )

    def __post_init__(self) -> None:
        check_settings(self)
        if self.language and not _LANGUAGE.fullmatch(self.language):
            raise ConfigError(f"language is {self.language!r}; use a language's code, such as en or pt-BR")
        if self.license and not _LICENSE.fullmatch(self.license):
            raise ConfigError(f"license is {self.license!r}; use a licence's name on Hugging Face's hub, such as apache-2.0")


@dataclass(frozen=True)
class ExporterSpec:
    """An export.

    Attributes:
        folder: where the status, and in ``export/`` the files go.
        model: the folder of the model's dataset.
        name: the model's, for people.
        evaluation: evaluation.json of that model; "" where there is none.
        parent: the process id of whoever must not be outlived; 0 for nobody.
    """

    folder: str
    model: str
    name: str
    evaluation: str
    config: ExportConfig
    parent: int = 0
