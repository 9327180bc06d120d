"""Deployment settings: where things run and land, from THREADMILL_* environment variables."""

import os
from functools import lru_cache
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from threadmill.errors import ConfigError


def _default_root() -> str:
    return str(Path.home() / "threadmill")


class Settings(BaseSettings):
    """What differs between deployments and never changes the bytes of a dataset."""

    model_config = SettingsConfigDict(env_prefix="THREADMILL_", env_ignore_empty=True, extra="ignore")

    platform: Literal["local"] = Field("local", description="Where the stages run")
    root: str = Field(default_factory=_default_root, description="The folder of all datasets")
    cache: str = Field(
        default_factory=lambda values: os.path.join(values["root"], "cache"),
        description="The folder of files downloaded from the web; ROOT/cache where it is not set",
    )
    workers: int = Field(0, ge=0, description="Worker processes a stage; 0 means as many as there are cores")
    memory_limit: str = Field(
        "1GB", pattern=r"^\d+(\.\d+)?\s?[KMGT]i?B$", description="Memory the warehouse may use before it spills to disk"
    )
    ledger: str = Field("", description="The takedown ledger: a file of ids and hashed authors that every refresh leaves out")
    reddit_source: str = Field(
        "sample", description="Where a month's dump is: a path or URI with {month} in it, or 'sample' for the sample world"
    )
    text_source: str = Field(
        "sample",
        description="Where text_corpus finds text: files or folders, with commas, or 'sample' for the sample world's comments",
    )


@lru_cache
def get_settings() -> Settings:
    """The settings of this process.

    Raises:
        ConfigError: a THREADMILL_* variable has a value of no use.
    """
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        variable = "THREADMILL_" + "_".join(str(part) for part in first["loc"]).upper()
        raise ConfigError(f"{variable}={first['input']!r}: {first['msg']}; set another value") from None
