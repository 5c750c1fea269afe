"""The configuration: one YAML file, `BLUE_WIZARD_CONFIG` or ``~/.config/blue-wizard/config.yaml``.

Every field can also be set from the environment (`BLUE_WIZARD_STATE_DIR`, `BLUE_WIZARD_DATABASE_URL` ...). It holds no secrets:
those come from clouds.yaml, keyrings and ssh keys, which have their own files and modes.
"""

from __future__ import annotations

import contextlib
import os
import time
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, YamlConfigSettingsSource

from blue_wizard import rates
from blue_wizard.errors import InputError
from blue_wizard.text import _

__all__ = [
    "AlertmanagerAccess",
    "BmcAccess",
    "CephAccess",
    "CephAdmin",
    "CloudConfig",
    "Config",
    "HostAccess",
    "InventoryConfig",
    "KubernetesAccess",
    "Limits",
    "Rate",
    "SourceConfig",
    "SshConfig",
    "TransferConfig",
    "VddkConfig",
    "WindowConfig",
    "live",
    "load",
    "path",
]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CephAccess(_Strict):
    """How the worker reaches a cloud's Ceph cluster, and where Cinder keeps its volumes there."""

    conf: Path = Path("/etc/ceph/ceph.conf")
    client: str = "admin"
    """The cephx name without the leading ``client.``; its keyring is named by `conf`."""
    pool: str = "volumes"
    servers_pool: str | None = None
    """Where Nova keeps the local disks of its servers (``images_type = rbd``); unset: not in Ceph."""
    inspect_client: str | None = None
    """The cephx name that inspection asks with (``mon 'allow r'``, ``mgr 'allow r'``, ``osd 'allow r'``); unset: `client`."""


class CephAdmin(_Strict):
    """Where `ceph` runs with the right to change the cluster.

    On `host` (a monitor's, over SSH), else on this machine; `exec` are the words before it (``[docker, exec, -i, ceph_mon]``).
    """

    host: str | None = None
    exec: list[str] = []
    conf: Path | None = None
    client: str = "admin"
    """The cephx name without the leading ``client.``."""


class KubernetesAccess(_Strict):
    """A Kubernetes cluster on the cloud, or on its compute hosts; unset fields are kubectl's own."""

    name: str
    kubeconfig: Path | None = None
    context: str = ""


class AlertmanagerAccess(_Strict):
    """The Alertmanager that is told when hosts are in maintenance."""

    url: str = Field(pattern=r"^https?://")
    label: str = "instance"
    """The label of alarms that names the host, with or without a domain and a port."""
    ca_file: Path | None = None
    """The authorities that its certificate is trusted by; unset: those of the system."""


class CloudConfig(_Strict):
    """What clouds.yaml does not say about a cloud."""

    ceph: CephAccess | None = None
    ceph_admin: CephAdmin | None = None
    """For work on OSDs; without it, the `ceph` command of this machine with the `conf` of `ceph`."""
    volume_type: str | None = None
    compute_exec: list[str] = []
    """The words before every command on a compute host whose libvirt and QEMU live in a container
    (``[docker, exec, -i, nova_libvirt]``)."""
    kubernetes: list[KubernetesAccess] = []
    """Clusters that are inspected, and whose nodes are drained with their hosts, through kubectl."""
    alertmanager: AlertmanagerAccess | None = None


class BmcAccess(_Strict):
    """A host's management controller, reached by Redfish. The password is in a file of mode 0600 or in the environment."""

    url: str = Field(pattern=r"^https?://")
    system: str = ""
    """Its ``/redfish/v1/Systems/...``; "" where it has one system alone."""
    user: str = ""
    password_file: Path | None = None
    password_env: str | None = None
    ca_file: Path | None = None
    """The authorities that its certificate is trusted by; unset: those of the system."""


class HostAccess(_Strict):
    """How a host is reached when its name alone is not enough."""

    address: str | None = None
    user: str | None = None
    port: int | None = None
    jump: str | None = None
    """``[USER@]HOST[:PORT]`` to go through, or several, separated by commas; HOST may be one of `hosts`; ``none``: straight."""
    sudo: bool = False
    """Commands that need root go through ``sudo -n``."""
    groups: tuple[str, ...] = ()
    runtime: Literal["docker", "podman"] | None = None
    """What runs the services there, if containers do."""
    bmc: BmcAccess | None = None


class SshConfig(_Strict):
    """Files of the SSH client. Unset ones are OpenSSH's own (``~/.ssh/...``). Host keys are always checked."""

    config: Path | None = None
    known_hosts: Path | None = None
    identity: Path | None = None
    connect_timeout_s: float = 15.0
    total: int = Field(default=50, ge=1)
    """On how many hosts a command runs at once."""
    inspected: int = Field(default=128, ge=1)
    """On how many hosts an inspection reads at once: it waits for them most of the time."""
    per_host: int = Field(default=8, ge=1)
    """How many commands run on one host at once. An OpenSSH server allows 10 (``MaxSessions``)."""


class InventoryConfig(_Strict):
    """Where hosts come from, besides `hosts`."""

    ansible: Path | None = None
    """An Ansible inventory (kolla-ansible's ``multinode``, for example); read by ``ansible-inventory``."""
    nova: bool = True
    """Ask Nova of each cloud for its hypervisors and services."""
    ceph_orch: bool | str = False
    """Ask ``ceph orch host ls``: true with the local ``ceph``, or the name of a host where ``cephadm shell`` runs it."""


class VddkConfig(_Strict):
    """VMware's own library (VDDK) for reading disks of a vCenter, which each user gets from VMware, and how nbdkit uses it.

    `libdir` is the unpacked folder (it has ``lib64/libvixDiskLib.so.N``), `plugin` the name of nbdkit's plugin or the path of
    its file, `connections` how many sessions with the ESXi host each disk has. HotAdd is no transport of ours: it attaches the
    disks to the machine that reads, and a reader that is killed leaves them there.
    """

    libdir: Path
    plugin: str = "vddk"
    transports: str = Field(default="nbdssl", pattern=r"^(nbdssl|nbd|san)(:(nbdssl|nbd|san))*$")
    compression: Literal["none", "zlib", "fastlz", "skipz"] = "none"
    connections: int = Field(default=2, ge=1, le=8)


class SourceConfig(_Strict):
    """A named source of virtual machines, and what its URL must not say.

    The password is in a file of mode 0600 or in an environment variable. A server's TLS certificate is trusted because
    of the system's authorities, those of `ca_file`, or its SHA-256 `thumbprint`. `read` says how disks of a vCenter are read: by
    VMware's library (`vddk`), the HTTPS of their datastore (`https`), by export lease (`lease`), or by the first of these that
    does it (`auto`).
    """

    url: str
    read: Literal["auto", "vddk", "https", "lease"] = "auto"
    vddk: VddkConfig | None = None
    password_file: Path | None = None
    password_env: str | None = None
    ca_file: Path | None = None
    thumbprint: str | None = None

    @model_validator(mode="after")
    def _library(self) -> Self:
        if self.read == "vddk" and self.vddk is None:
            raise ValueError("read: vddk needs the folder of the library (vddk: {libdir: ...})")
        return self


class Limits(_Strict):
    """How many jobs run at once: in all, against one target (a source host, a folder of files), and of each kind of thing."""

    total: int = Field(default=4, ge=1)
    per_target: int = Field(default=2, ge=1)
    kinds: dict[str, Annotated[int, Field(ge=1)]] = {}
    """How many jobs may use one thing of a kind at once: ``{esxi-host: 4, datastore: 2}`` (see `Plan.uses`)."""


Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


class WindowConfig(_Strict):
    """A maintenance window: it begins on each of `days` at `from` and ends at `to` (``HH:MM``), on the next day where that is
    not later; the same time twice is a whole day."""

    days: tuple[Day, ...] = Field(default=("mon", "tue", "wed", "thu", "fri", "sat", "sun"), min_length=1)
    from_: str = Field(alias="from", pattern=r"^([01]\d|2[0-3]):[0-5]\d$")
    to: str = Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")
    timezone: str = "UTC"

    @field_validator("from_", "to", mode="before")
    @classmethod
    def _quoted(cls, value: object) -> object:
        # YAML reads 22:00 without quotes as a number to the base of sixty.
        if isinstance(value, int):
            raise ValueError('put it in quotes: "22:00"')
        return value

    @field_validator("timezone")
    @classmethod
    def _known(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError) as e:
            raise ValueError("no such time zone") from e
        return value


def _checked_rate(text: str) -> str:
    rates.parse(text)
    return text


Rate = Annotated[str, AfterValidator(_checked_rate)]
"""A limit of bandwidth, see `rates.parse`."""


class TransferConfig(_Strict):
    """How disks are copied. The limits hold in each worker by itself, and are read again while it runs (see `live`)."""

    max_rate: Rate | None = None
    """Over all disks that the worker copies."""
    max_rate_per_source: Rate | None = None
    """Over all disks from one source (a host, a datastore, a folder)."""
    max_rate_per_pool: Rate | None = None
    """Over all disks into one pool."""
    in_flight: int = Field(default=16, ge=1, le=256)
    """Objects (of 4 MiB) of one disk that are in memory at once."""


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
    inventory: InventoryConfig = InventoryConfig()
    clouds: dict[str, CloudConfig] = {}
    sources: dict[str, SourceConfig] = {}
    limits: Limits = Limits()
    windows: dict[str, WindowConfig] = {}
    """Maintenance windows by name."""
    transfer: TransferConfig = TransferConfig()
    invariant_every_s: float = Field(default=5.0, ge=0.1)
    """How often the invariants of running jobs are sampled."""
    second_person: bool = False
    """Every job needs the approval of two different people before it begins."""

    @property
    def cloud_names(self) -> tuple[str, ...]:
        """The clouds that it names, the one to work on first."""
        return tuple(dict.fromkeys(([self.cloud] if self.cloud else []) + list(self.clouds)))

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


_LOOK_EVERY_S = 1.0
_live: tuple[float, tuple[Path, int, int], Config] | None = None


def live() -> Config:
    """The configuration as its file is now, looked at once a second: for what may change under a running worker.

    While the file can't be used, what was read last counts.
    """
    global _live
    now = time.monotonic()
    if _live is not None and now - _live[0] < _LOOK_EVERY_S and _live[1][0] == path():
        return _live[2]
    file = path()
    found_file = file.stat() if file.is_file() else None
    seen = (file, found_file.st_mtime_ns, found_file.st_size) if found_file else (file, 0, 0)
    known = _live
    found = load() if known is None or known[1][0] != seen[0] else known[2]
    if known is None or known[1] != seen:
        with contextlib.suppress(InputError):
            found = load.__wrapped__()
    _live = (now, seen, found)
    return found
