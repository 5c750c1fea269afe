"""The wave file: what is going to be moved, and how, in a form that people edit."""

from __future__ import annotations

import fnmatch
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from blue_wizard.config import Rate
from blue_wizard.errors import InputError
from blue_wizard.migrate.mac import Mac
from blue_wizard.migrate.machine import Firmware
from blue_wizard.migrate.mapping import problems
from blue_wizard.text import _

__all__ = [
    "DiskPlan",
    "GroupPlan",
    "Hook",
    "NicPlan",
    "Storage",
    "VmPlan",
    "Warm",
    "Wave",
    "for_run",
    "only",
    "read",
    "write",
]

Name = Annotated[str, StringConstraints(min_length=1, max_length=255)]
MetadataKey = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9_:. -]{1,255}$")]
MetadataValue = Annotated[str, StringConstraints(max_length=255)]
CardName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,15}$")]
Storage = Literal["rbd", "local"]
"""Where disks go: into RBD volumes of Cinder, or into files on the compute host of their server."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DiskPlan(_Strict):
    """A disk. `size` is in bytes and is the source's; `bus` is what the guest will see it on."""

    id: str
    size: int = Field(gt=0)
    boot: bool = False
    bus: Literal["virtio", "scsi", "sata", "ide"] = "virtio"
    volume_type: str | None = None


class NicPlan(_Strict):
    """A network card. Without `mac` and `fixed_ip` the cloud chooses them.

    `allowed_ips` are further addresses that the guest uses on this card, or shares with others (a VIP): its port lets them pass.
    """

    network: str | None = None
    mac: Mac | None = None
    fixed_ip: IPv4Address | IPv6Address | None = None
    allowed_ips: list[IPv4Address | IPv6Address] = []
    security_groups: list[str] = []
    source_mac: str = ""
    source_network: str = ""
    name: CardName | None = None
    """What the guest calls it: with the machine's `keep_names` it is called so at the target too."""


class Warm(_Strict):
    """A machine is copied while it runs, and shut down only for the rest."""

    downtime: int = Field(default=30, gt=0, description="seconds")
    """How long the copying and checking of the rest may take; the guest's own shutdown and start come on top."""
    rounds: int = Field(default=10, gt=0)
    """How often at most what changed is copied before it is given up (and again as often at the cut-over)."""
    cutover: Literal["hold", "auto"] = "hold"
    """hold: `migrate cutover` says when; auto: as soon as the rest fits."""
    check: Literal["whole", "changed"] = "whole"
    """What is compared with the source once more at the cut-over. All of each disk has been compared before, while it ran."""


class GroupPlan(_Strict):
    """A server group: its members run on different hosts, or on one; ``soft-``: as far as that is possible."""

    name: Name
    policy: Literal["anti-affinity", "affinity", "soft-anti-affinity", "soft-affinity"] = "soft-anti-affinity"


class Hook(_Strict):
    """A command of one's own for each machine whose server name matches. It runs where the worker runs, and without a shell.

    `when`: before anything is made, when the source is off (`down`), or after the new server has answered. `undo` runs when the
    machine is rolled back.
    """

    when: Literal["before", "down", "after"]
    command: list[Name] = Field(min_length=1)
    undo: list[Name] = []
    match: str = "*"
    timeout: int = Field(default=300, gt=0, description="seconds")


class VmPlan(_Strict):
    """A machine. `id` is the source's name for it, `name` the server's."""

    id: str
    name: Name
    vcpus: int = Field(gt=0)
    memory: int = Field(gt=0, description="MiB")
    flavor: str | None = None
    """A flavor's name or id; without one a flavor of just this size is made."""
    firmware: Firmware = Firmware.BIOS
    secure_boot: bool = False
    storage: Storage = "rbd"
    server: bool = True
    """False: only its disks move, each into a volume of its own."""
    disks: list[DiskPlan] = Field(min_length=1)
    nics: list[NicPlan] = []
    availability_zone: str | None = None
    group: str = ""
    """A name of one's own for machines that belong together: `migrate run --group NAME` takes just these."""
    keypair: str | None = None
    """The keypair that the server names."""
    server_group: str | None = None
    """One of the wave's `server_groups`."""
    metadata: dict[MetadataKey, MetadataValue] = {}
    """What the server carries as metadata, such as the tags that it had at the source."""
    properties: dict[str, str] = {}
    """Properties of its image: the virtual hardware that the guest knows from its source."""
    convert: bool = False
    convert_failed: Literal["rollback", "hold"] = "rollback"
    """hold: a conversion that fails waits for a person, with the copies as they are, instead of rolling the machine back."""
    keep_names: bool = False
    """Its cards keep the names that they have inside, where its Linux is configured for them and it is proved which is which."""
    shutdown: bool = False
    """Consent that a machine that runs is shut down at the cut-over."""
    shutdown_timeout: int = Field(default=180, gt=0, description="seconds")
    power_off: bool = False
    """Consent that it is switched off when it does not shut down in that time."""
    warm: Warm | None = None
    """Without it a machine is shut down first and copied then."""
    start: bool = True
    """False leaves the new server stopped."""
    verify: Literal["strict", "report"] = "strict"
    """strict: a server whose addresses do not answer is a failure, and rolled back."""
    verify_timeout: int = Field(default=180, gt=0, description="seconds")
    tcp_ports: list[Annotated[int, Field(gt=0, lt=65536)]] = []
    """Services that the new server has to offer: each of these TCP ports takes a connection at one of its addresses."""

    @property
    def at_source(self) -> str:
        """The machine as a person finds it at its source; some tell machines apart by numbers that nobody knows by heart."""
        return self.id if self.id == self.name else f"{self.name} ({self.id})"


class Wave(_Strict):
    """A wave: machines of one source that go into one cloud."""

    version: Literal[1] = 1
    source: str
    cloud: str
    window: str = ""
    """The maintenance window of the configuration that risky steps begin in."""
    max_rate: Rate | None = None
    """How fast all disks of the wave together may be copied: ``20M`` bytes per second, or a table by the time of day."""
    staging: Annotated[str, StringConstraints(pattern="^/")] | None = None
    """A folder that every disk goes through: first into a file there, hashed, and from there into its target."""
    disks_at_once: Annotated[int, Field(ge=1, le=16)] = 1
    """How many disks of one machine that is off are copied side by side."""
    server_groups: list[GroupPlan] = []
    hooks: list[Hook] = []
    vms: list[VmPlan] = Field(min_length=1)


def for_run(wave: Wave, *, window: str = "", max_rate: str | None = None) -> Wave:
    """The wave for one run: what was said for the run counts in place of what the wave says."""
    said = {"window": window, "max_rate": max_rate}
    return wave.model_copy(update={name: value for name, value in said.items() if value})


def only(wave: Wave, match: str, group: str = "") -> Wave:
    """The wave with just the machines whose server name matches the glob, of one group where it is named.

    Raises InputError when there is none.
    """
    mine = [vm for vm in wave.vms if not group or vm.group == group]
    if not mine:
        raise InputError(
            _("No machine of this wave is in the group {group}.").format(group=group),
            _("Its groups are: {names}.").format(
                names=", ".join(sorted({vm.group for vm in wave.vms if vm.group})) or "-"
            ),
        )
    vms = [vm for vm in mine if fnmatch.fnmatch(vm.name, match)]
    if not vms:
        raise InputError(
            _("No machine of this wave matches {match}.").format(match=match),
            _("Its servers are: {names}.").format(names=", ".join(vm.name for vm in wave.vms[:20])),
        )
    return wave.model_copy(update={"vms": vms})


def read(path: Path) -> Wave:
    """Read a wave file. Raises InputError naming the file, the machine and the field."""
    try:
        wave = Wave.model_validate(yaml.safe_load(path.read_text()))
    except OSError as e:
        raise InputError(_("{file} can't be read: {error}").format(file=path, error=e.strerror)) from e
    except (ValidationError, yaml.YAMLError) as e:
        raise InputError(
            _("{file} is no usable wave: {problems}").format(file=path, problems=problems(e)),
            _("Correct it, or make it again: blue-wizard migrate plan SOURCE --out {file}").format(file=path),
        ) from e
    names = [vm.name for vm in wave.vms]
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        raise InputError(_("{file}: two machines are called {name}.").format(file=path, name=twice[0]))
    groups = {g.name for g in wave.server_groups}
    for vm in wave.vms:
        if vm.server_group and vm.server_group not in groups:
            raise InputError(
                _(
                    "{file}: {name} names the server group {group}, which is not one of the wave's server_groups."
                ).format(file=path, name=vm.name, group=vm.server_group)
            )
        if sum(d.boot for d in vm.disks) != 1:
            raise InputError(_("{file}: {name} needs exactly one boot disk.").format(file=path, name=vm.name))
    return wave


def write(wave: Wave, path: Path) -> None:
    """Write a wave file, with a word on how to edit it."""
    body = yaml.safe_dump(
        wave.model_dump(mode="json", exclude_none=True), sort_keys=False, allow_unicode=True, width=120
    )
    lines = [
        _("What is going to be moved, and how. Edit it as you like, then: blue-wizard migrate run {file}"),
        _("Leave out mac and fixed_ip and the cloud chooses them. Without flavor, one of just this size is made."),
        _("shutdown: true is your consent to shut the machine down at the cut-over. Sizes of disks are bytes."),
        _("storage: rbd puts its disks into volumes, storage: local onto its compute host."),
        _(
            "warm: copies it while it runs; downtime is in seconds, and counts what is copied and compared while it is off."
        ),
    ]
    head = "".join(f"# {line.format(file=path)}\n" for line in lines)
    try:
        path.write_text(head + body)
    except OSError as e:
        raise InputError(_("{file} can't be written: {error}").format(file=path, error=e.strerror)) from e
