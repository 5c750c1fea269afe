"""Which flavor, network and security group of the cloud stands for what the source has. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from blue_wizard.errors import InputError
from blue_wizard.text import _

__all__ = [
    "Flavor",
    "MapFile",
    "Room",
    "Subnet",
    "best_flavor",
    "fitting_subnet",
    "gib",
    "network_for",
    "new_flavor",
    "problems",
    "read_map",
]

GIB = 1 << 30


class MapFile(BaseModel):
    """What ``--map FILE`` may say. Keys are the source's names, values the cloud's (names or ids)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    networks: dict[str, str] = {}
    default_network: str | None = None
    flavors: dict[str, str] = {}
    """Name of a machine, or of its flavor at the source, to name of a flavor."""
    groups: dict[str, str] = {}
    """Security groups of a source that is a cloud; those that are not named here have the same name in both."""
    security_groups: list[str] = []
    availability_zone: str | None = None
    volume_type: str | None = None
    volume_types: dict[str, str] = {}
    """Datastore, or volume type, of a disk at the source to volume type; `volume_type` is for all others."""
    names: str = "{name}"
    """A pattern for the servers' names; ``{name}`` is the source's."""


def read_map(path: Path | None) -> MapFile:
    """Read a map file; None gives an empty one. Raises InputError naming the file and the field."""
    if path is None:
        return MapFile()
    try:
        return MapFile.model_validate(yaml.safe_load(path.read_text()) or {})
    except OSError as e:
        raise InputError(_("{file} can't be read: {error}").format(file=path, error=e.strerror)) from e
    except (ValidationError, yaml.YAMLError) as e:
        raise InputError(_("{file} can't be used: {problems}").format(file=path, problems=problems(e))) from e


def problems(error: ValidationError | yaml.YAMLError) -> str:
    """A validation error in one line: field and reason of each."""
    if isinstance(error, ValidationError):
        return "; ".join(f"{'.'.join(map(str, p['loc']))}: {p['msg']}" for p in error.errors())
    return str(error).replace("\n", " ")


@dataclass(frozen=True)
class Flavor:
    """A flavor of the cloud. `ram` and `swap` are in MiB, `disk` and `ephemeral` in GiB."""

    id: str
    name: str
    vcpus: int
    ram: int
    disk: int
    extra: bool = False
    """It has extra specs (pinning, huge pages, GPUs ...), so it is never chosen by itself."""
    ephemeral: int = 0
    swap: int = 0


@dataclass(frozen=True)
class Room:
    """What disks in local storage need of a flavor, in GiB: `root` for the boot disk, `ephemeral` for all others together."""

    root: int
    ephemeral: int

    @property
    def total(self) -> int:
        """All of it, in GiB."""
        return self.root + self.ephemeral

    def fits(self, flavor: Flavor) -> bool:
        """Whether a server of the flavor gets these disks and no other one.

        Nova makes an ephemeral disk and a swap disk of its own where the flavor has them and nothing is asked for.
        """
        enough = flavor.disk >= self.root and flavor.ephemeral >= self.ephemeral
        return enough and not flavor.swap and (self.ephemeral > 0 or flavor.ephemeral == 0)


def best_flavor(flavors: Iterable[Flavor], vcpus: int, memory: int, room: Room | None = None) -> Flavor | None:
    """The smallest flavor that holds the machine, or None.

    Its disk matters only with `room`: other servers boot from volumes.
    """
    fitting = [f for f in flavors if f.vcpus >= vcpus and f.ram >= memory and not f.extra]
    # Twice what is needed is no match, it is a waste that somebody pays for.
    fitting = [f for f in fitting if f.vcpus <= 2 * vcpus and f.ram <= 2 * memory]
    if room:
        fitting = [f for f in fitting if room.fits(f) and f.disk + f.ephemeral <= 2 * room.total]
    return min(fitting, key=lambda f: (f.ram, f.vcpus, f.disk, f.ephemeral, f.name), default=None)


def new_flavor(vcpus: int, memory: int, room: Room | None = None) -> str:
    """The name of the flavor that is made when none fits."""
    disks = f"-{room.root}g" + (f"-{room.ephemeral}g" if room.ephemeral else "") if room else ""
    return f"bw-{vcpus}c-{memory}m{disks}"


@dataclass(frozen=True)
class Subnet:
    """A subnet of a network."""

    id: str
    cidr: str


def fitting_subnet(subnets: Sequence[Subnet], address: str) -> Subnet | None:
    """The subnet that holds the address, or None."""
    return next((s for s in subnets if ip_address(address) in ip_network(s.cidr)), None)


def gib(size: int) -> int:
    """Bytes as whole GiB, rounded up: Cinder knows no smaller unit."""
    return max(1, -(-size // GIB))


def network_for(name: str, mapped: MapFile, known: Mapping[str, Any]) -> str | None:
    """The cloud's network for a source's: the map's word, else one of the same name, else the default, else None."""
    if name in mapped.networks:
        return mapped.networks[name]
    if name and name in known:
        return name
    return mapped.default_network
