"""The configuration: one YAML file, `BLUE_WIZARD_CONFIG` or ``~/.config/blue-wizard/config.yaml``.

Every field can also be set from the environment (`BLUE_WIZARD_STATE_DIR`, `BLUE_WIZARD_DATABASE_URL` ...). It holds no secrets:
those come from clouds.yaml, keyrings and ssh keys, which have their own files and modes.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, YamlConfigSettingsSource

from blue_wizard.errors import InputError
from blue_wizard.text import _

__all__ = ["CephAccess", "CloudConfig", "Config", "HostAccess", "Limits", "SourceConfig", "SshConfig", "load", "path"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CephAccess(_Strict):
    """How the worker reaches a cloud's Ceph cluster, and where Cinder keeps its volumes there."""

    conf: Path = Path("/etc/ceph/ceph.conf")
    client: str = "admin"
    """The cephx name without the leading ``client.``; its keyring is named by `conf`."""
    pool: str = "volumes"


class CloudConfig(_Strict):
    """What clouds.yaml does not say about a cloud."""

    ceph: CephAccess | None = None
    volume_type: str | None = None


class HostAccess(_Strict):
    """How a host is reached when its name alone is not enough."""

    address: str | None = None
    user: str | None = None
    port: int | None = None


class SshConfig(_Strict):
    """Files of the SSH client. Unset ones are OpenSSH's own (``~/.ssh/...``). Host keys are always checked."""

    config: Path | None = None
    known_hosts: Path | None = None
    identity: Path | None = None
    connect_timeout_s: float = 15.0


class SourceConfig(_Strict):
    """A named source of virtual machines, and what its URL must not say.

    The password is in a file of mode 0600 or in an environment variable. A server's TLS certificate is trusted because
    of the system's authorities, those of `ca_file`, or its SHA-256 `thumbprint`.
    """

    url: str
    password_file: Path | None = None
    password_env: str | None = None
    ca_file: Path | None = None
    thumbprint: str | None = None


class Limits(_Strict):
    """How many jobs run at once: in all, and against one target (a source host, a folder of files)."""

    total: int = Field(default=4, ge=1)
    per_target: int = Field(default=2, ge=1)


def _state_dir() -> Path:
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "blue-wizard"


class Config(BaseSettings):
    """The whole configuration."""

    model_config = SettingsConfigDict(env_prefix="BLUE_WIZARD_", env_nested_delimiter="__", extra="forbid", frozen=True)

    cloud: str | None = None
    state_dir: Path = Field(default_factory=_state_dir)
    database_url: str | None = None
    ssh: SshConfig = SshConfig()
    hosts: dict[str, HostAccess] = {}
    clouds: dict[str, CloudConfig] = {}
    sources: dict[str, SourceConfig] = {}
    limits: Limits = Limits()
    invariant_every_s: float = Field(default=5.0, ge=0.1)
    """How often the invariants of running jobs are sampled."""
    second_person: bool = False
    """Every job needs the approval of two different people before it begins."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment wins over the file."""
        return init_settings, env_settings, YamlConfigSettingsSource(settings_cls, yaml_file=path())


def path() -> Path:
    """The configuration file in force (it need not exist)."""
    named = os.environ.get("BLUE_WIZARD_CONFIG")
    if named:
        return Path(named)
    base = os.environ.get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path.home() / ".config") / "blue-wizard" / "config.yaml"


@lru_cache
def load() -> Config:
    """Read the configuration once. Raises InputError naming the file and the field that is wrong."""
    file = path()
    if os.environ.get("BLUE_WIZARD_CONFIG") and not file.is_file():
        raise InputError(
            _("The configuration file {file} does not exist.").format(file=file),
            _("Correct BLUE_WIZARD_CONFIG or --config."),
        )
    try:
        return Config()
    except (ValidationError, yaml.YAMLError, OSError) as e:
        problems = (
            "; ".join(f"{'.'.join(map(str, p['loc']))}: {p['msg']}" for p in e.errors())
            if isinstance(e, ValidationError)
            else str(e)
        )
        # The known settings of the environment belong to --lang and --config, not to the file.
        raise InputError(
            _("The configuration {file} can't be used: {problems}").format(file=file, problems=problems),
            _("Correct the field in the file, or the variable BLUE_WIZARD_... that sets it."),
        ) from e
