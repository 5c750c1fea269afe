"""A virtual machine as a source describes it: the common form that every source gives and every target takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

__all__ = ["Disk", "Firmware", "Machine", "Nic", "Power", "Together"]


class Firmware(StrEnum):
    """What starts the guest."""

    BIOS = "bios"
    UEFI = "uefi"


class Power(StrEnum):
    """The power state at the source."""

    ON = "on"
    OFF = "off"
    UNKNOWN = "unknown"  # a file has no power state


@dataclass(frozen=True)
class Disk:
    """One disk. `size` is the virtual size in bytes; `used` the allocated bytes, None when it can't be told.

    `id` is the source's own name of the disk, unique within the machine (a target device such as ``vda``, a file name). `named` is
    what it is called at the moment, where that is another name, which the source does not keep.
    `bus` is the bus the guest sees it on: virtio, scsi, sata, ide, nvme, or "" when unknown. `store` is what the source calls the
    place or the kind of its storage (a datastore, a volume type), "" where it has no such name.
    """

    id: str
    size: int
    format: str
    bus: str = ""
    used: int | None = None
    boot: bool = False
    named: str = ""
    store: str = ""


@dataclass(frozen=True)
class Nic:
    """One network card. `network` is the source's name of the network; `addresses` are those known to be in use.

    `shared` are further addresses that the source lets pass on it. `groups` are the source's names of its security groups; None
    where it knows none.
    """

    mac: str
    network: str
    model: str = ""
    addresses: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()
    groups: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Together:
    """A rule of the source: machines that share its `name` run on one host, or, `apart`, on different ones."""

    name: str
    apart: bool


@dataclass(frozen=True)
class Machine:
    """One virtual machine. `memory` is in MiB. `warnings` say what will change for the guest, or can't be known.

    `blockers` say why it can't be moved; it can when there are none. `unconvertible` says the same of a conversion of its guest, as
    far as its disks were looked at. `places` are what a copy of it loads, as ``KIND:NAME``
    (a host, a datastore): limits by kind count them. `tags` are the source's own, as ``CATEGORY/TAG``. `flavor`, `key`,
    `metadata` and `properties` (of its image: the virtual hardware that its guest knows) are those of a source that is a cloud.
    """

    id: str
    name: str
    vcpus: int
    memory: int
    disks: tuple[Disk, ...]
    nics: tuple[Nic, ...] = ()
    firmware: Firmware = Firmware.BIOS
    secure_boot: bool = False
    power: Power = Power.UNKNOWN
    os: str = ""
    warnings: tuple[str, ...] = field(default=())
    blockers: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    flavor: str = ""
    key: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    rules: tuple[Together, ...] = ()
    unconvertible: tuple[str, ...] = ()

    @classmethod
    def unknown(cls, id: str, name: str, reason: str) -> Machine:
        """One of which no more can be told than why not: it is named, and keeps no other from moving."""
        return cls(id, name, 0, 0, disks=(), blockers=(reason,))
