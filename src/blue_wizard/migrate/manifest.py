"""A manifest: a file that says which disk images make up which machines, so that plain images can be moved as a batch."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from blue_wizard.errors import InputError
from blue_wizard.migrate.images import Place, look
from blue_wizard.migrate.mac import Mac
from blue_wizard.migrate.machine import Disk, Firmware, Machine, Nic
from blue_wizard.migrate.wave import Name
from blue_wizard.text import _

__all__ = ["NAMES", "Batch", "Entry", "find", "machine", "read"]

NAMES = ("manifest.yaml", "manifest.yml", "manifest.csv")
"""A folder with one of these files is the batch that the file says, and nothing else."""
_COLUMNS = {"name", "disks", "vcpus", "memory", "firmware", "secure_boot", "networks", "macs", "bus", "os"}
_LIMIT = 16 << 20


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DiskEntry(_Strict):
    """A disk: its image, and the bus that the guest knows it on."""

    path: str = Field(min_length=1)
    bus: Literal["", "virtio", "scsi", "sata", "ide", "nvme"] = ""
    boot: bool = False


class NicEntry(_Strict):
    """A network card, on a network by the name that `--map` knows it by."""

    network: str = ""
    mac: Mac | None = None
    model: str = ""
    addresses: list[str] = []


class Entry(_Strict):
    """A machine. The first disk is the boot disk, unless another says so."""

    name: Name
    disks: list[DiskEntry] = Field(min_length=1)
    vcpus: int = Field(default=1, gt=0, le=1024)
    memory: int = Field(default=1024, gt=0, description="MiB")
    firmware: Firmware = Firmware.BIOS
    secure_boot: bool = False
    os: str = ""
    nics: list[NicEntry] = []

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, data: Any) -> Any:
        """`disks: [a.raw]` and `networks: [blue]` stand for the long forms."""
        if not isinstance(data, dict):
            return data
        full = dict(data)
        if isinstance(full.get("disks"), list):
            full["disks"] = [{"path": d} if isinstance(d, str) else d for d in full["disks"]]
        if isinstance(full.get("networks"), list) and not full.get("nics"):
            full["nics"] = [{"network": n} for n in full.pop("networks")]
        return full


class _Manifest(_Strict):
    version: Literal[1] = 1
    folders: list[str] = []
    """Other folders that disks may lie in. A manifest from a stranger could name any file of this machine as a disk."""
    machines: list[Entry] = Field(min_length=1)


class Batch:
    """The machines of a manifest, and where their disks may lie."""

    def __init__(self, file: Path, manifest: _Manifest) -> None:
        self.file, self.machines = file, tuple(manifest.machines)
        self.folders = tuple((file.parent / f).resolve() for f in (".", *manifest.folders))

    def place(self, entry: Entry, disk: str) -> Place:
        """The image of a disk. Raises InputError when it lies elsewhere or is not there."""
        path = self.file.parent / disk
        try:
            found = path.resolve()
        except (OSError, RuntimeError, ValueError):
            found = Path("/")
        if not any(found.is_relative_to(folder) for folder in self.folders):
            raise InputError(
                _("{file}: disk {disk} of {name} lies outside the manifest's folder.").format(
                    file=self.file.name, disk=disk, name=entry.name
                ),
                _("Name the folder in the manifest, if it is meant: folders: [{folder}]").format(folder=found.parent),
            )
        if not found.is_file():
            raise InputError(
                _("{file}: disk {disk} of {name} is not there.").format(
                    file=self.file.name, disk=disk, name=entry.name
                ),
                _("Paths are relative to the manifest's folder."),
            )
        return Place(path)


def find(path: Path) -> Path | None:
    """The manifest that the path is, or that the folder has."""
    if path.is_file():
        return path if path.suffix.lower() in {".yaml", ".yml", ".csv"} else None
    return next((path / name for name in NAMES if (path / name).is_file()), None)


def machine(batch: Batch, entry: Entry) -> Machine:
    """The machine of an entry, its disks looked through. Raises InputError naming the disk."""
    boots = [i for i, d in enumerate(entry.disks) if d.boot] or [0]
    disks = []
    for i, disk in enumerate(entry.disks):
        try:
            looked = look(batch.place(entry, disk.path))
        except InputError as e:
            raise e if entry.name in e.message else InputError(f"{entry.name}: {e.message}", e.hint) from e
        disks.append(Disk(disk.path, looked.size, looked.format, disk.bus, looked.used, boot=i == boots[0]))
    return Machine(
        id=entry.name,
        name=entry.name,
        vcpus=entry.vcpus,
        memory=entry.memory,
        disks=tuple(disks),
        nics=tuple(Nic(n.mac or "", n.network, n.model, tuple(n.addresses)) for n in entry.nics),
        firmware=entry.firmware,
        secure_boot=entry.secure_boot,
        os=entry.os,
    )


def read(file: Path) -> Batch:
    """Read a manifest, YAML or CSV. Raises InputError naming the file, the line and the field."""
    try:
        with file.open("rb") as f:
            text = f.read(_LIMIT + 1)
    except OSError as e:
        raise InputError(_("{file} can't be read: {error}").format(file=file, error=e.strerror)) from e
    if len(text) > _LIMIT:
        raise InputError(_("{file} is too large for a description.").format(file=file.name))
    try:
        plain = text.decode("utf-8-sig")
    except UnicodeDecodeError as e:
        raise _unusable(file, _("it is not UTF-8")) from e
    data, lines = _from_csv(file, plain) if file.suffix.lower() == ".csv" else _from_yaml(file, plain)
    try:
        manifest = _Manifest.model_validate(data)
    except ValidationError as e:
        raise _unusable(file, "; ".join(_problem(lines, p["loc"], p["msg"]) for p in e.errors()[:20])) from e
    for i, entry in enumerate(manifest.machines):
        _check(file, manifest, i, entry, lines)
    return Batch(file, manifest)


Lines = Mapping[tuple[int | str, ...], int]


def _check(file: Path, manifest: _Manifest, i: int, entry: Entry, lines: Lines) -> None:
    here: tuple[int | str, ...] = ("machines", i)
    if any(m.name == entry.name for m in manifest.machines[:i]):
        raise _unusable(
            file, _problem(lines, (*here, "name"), _("two machines are called {name}").format(name=entry.name))
        )
    paths = [d.path for d in entry.disks]
    if len(set(paths)) < len(paths):
        raise _unusable(file, _problem(lines, (*here, "disks"), _("one disk is named twice")))
    if sum(d.boot for d in entry.disks) > 1:
        raise _unusable(file, _problem(lines, (*here, "disks"), _("two disks are the boot disk")))


def _unusable(file: Path, problems: str) -> InputError:
    return InputError(
        _("{file} is no usable manifest: {problems}").format(file=file, problems=problems),
        _("See docs/how-to/migrate-files.md for what it may say."),
    )


def _problem(lines: Lines, where: Sequence[int | str], message: str) -> str:
    """The problem with the line and the field: the nearest that the file has."""
    place = tuple(where)
    while place and place not in lines:
        place = place[:-1]
    field = ".".join(map(str, where))
    if place not in lines:
        return f"{field}: {message}" if field else message
    return _("line {line}: {field}: {problem}").format(line=lines[place], field=field, problem=message)


def _from_yaml(file: Path, text: str) -> tuple[Any, Lines]:
    try:
        # Aliases let a small file stand for a huge one.
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, yaml.SafeLoader)):
            raise _unusable(file, _("aliases are not allowed"))
        node = yaml.compose(text, yaml.SafeLoader)
        data = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as e:
        raise _unusable(file, str(e).replace("\n", " ")) from e
    lines: dict[tuple[int | str, ...], int] = {}
    _note(node, (), lines)
    return data, lines


def _note(node: Any, place: tuple[int | str, ...], lines: dict[tuple[int | str, ...], int]) -> None:
    if node is None:
        return
    lines[place] = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            _note(value, (*place, str(key.value)), lines)
            lines[*place, str(key.value)] = key.start_mark.line + 1
    elif isinstance(node, yaml.SequenceNode):
        for i, value in enumerate(node.value):
            _note(value, (*place, i), lines)


def _from_csv(file: Path, text: str) -> tuple[Any, Lines]:
    """One machine a line; several disks, networks or MAC addresses are separated by semicolons."""
    reader = csv.DictReader(io.StringIO(text), strict=True)
    machines: list[dict[str, Any]] = []
    lines: dict[tuple[int | str, ...], int] = {(): 1}
    try:
        columns = [c.strip() for c in reader.fieldnames or ()]
        unknown = sorted(set(columns) - _COLUMNS)
        if unknown or len(set(columns)) < len(columns):
            raise _unusable(file, _problem(lines, (), _("columns that are not known: {names}").format(
                names=", ".join(map(repr, unknown or columns))
            )))  # fmt: skip
        reader.fieldnames = columns
        for row in reader:
            if None in row:
                lines["machines", len(machines)] = reader.line_num
                raise _unusable(file, _problem(lines, ("machines", len(machines)), _("more fields than columns")))
            lines["machines", len(machines)] = reader.line_num
            machines.append(_row({k: (v or "").strip() for k, v in row.items()}))
    except csv.Error as e:
        raise _unusable(file, _problem({(): reader.line_num}, (), str(e))) from e
    return {"machines": machines}, lines


def _row(row: Mapping[str, str]) -> dict[str, Any]:
    full: dict[str, Any] = {k: v for k, v in row.items() if v and k not in {"disks", "networks", "macs", "bus"}}
    full["disks"] = [{"path": p, "bus": row.get("bus", "")} for p in _several(row.get("disks", ""))]
    networks, macs = _several(row.get("networks", "")), _several(row.get("macs", ""))
    count = max(len(networks), len(macs))
    pairs = zip(networks + [""] * (count - len(networks)), macs + [""] * (count - len(macs)), strict=True)
    full["nics"] = [{"network": n, **({"mac": m} if m else {})} for n, m in pairs]
    return full


def _several(text: str) -> list[str]:
    return [part.strip() for part in text.split(";") if part.strip()]
