"""How an OSD is deployed on its host: containers, units, folders, configuration. Commands and pure parsers."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Container", "OsdHost", "commands", "conf_section", "parse", "parse_container", "parse_names"]

_RUNTIMES = ("docker", "podman")


@dataclass(frozen=True)
class Container:
    """A container of an OSD: all that is needed to make the same one again."""

    runtime: str
    name: str
    image: str
    running: bool
    env: tuple[str, ...] = ()
    binds: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()


@dataclass(frozen=True)
class OsdHost:
    """What a host says of one of its OSDs. `unit` is the state of ceph-osd@ID in systemd's words, `containers` all names there are.

    `folders` are those of cephadm (``/var/lib/ceph/FSID/osd.ID``), `section` is the text of ``[osd.ID]`` in ceph.conf.
    """

    containers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    container: Container | None = None
    model: Container | None = None
    unit: str = ""
    folders: tuple[str, ...] = ()
    section: str = ""


def commands(osd: int) -> dict[str, tuple[str, ...]]:
    """The commands for one OSD; each may fail by itself."""
    found: dict[str, tuple[str, ...]] = {
        "unit": ("systemctl", "is-active", f"ceph-osd@{osd}"),
        "folders": ("find", "/var/lib/ceph", "-maxdepth", "2", "-name", f"osd.{osd}", "-type", "d"),
        "conf": ("cat", "/etc/ceph/ceph.conf"),
    }
    for runtime in _RUNTIMES:
        found[f"{runtime}-names"] = (runtime, "ps", "-a", "--format", "{{.Names}}")
        found[f"{runtime}-osd"] = (runtime, "inspect", f"ceph_osd_{osd}")
    return found


def parse(osd: int, answers: Mapping[str, str]) -> OsdHost:
    """The host out of the stdout of `commands` ("" for one that failed)."""
    containers = {r: parse_names(answers.get(f"{r}-names", "")) for r in _RUNTIMES}
    found = [c for r in _RUNTIMES if (c := parse_container(r, answers.get(f"{r}-osd", "")))]
    return OsdHost(
        {r: names for r, names in containers.items() if names},
        found[0] if found else None,
        None,
        answers.get("unit", "").strip(),
        tuple(answers.get("folders", "").split()),
        conf_section(answers.get("conf", ""), f"osd.{osd}"),
    )


def parse_names(text: str) -> tuple[str, ...]:
    """The names of ``ps -a --format {{.Names}}``."""
    return tuple(text.split())


def parse_container(runtime: str, text: str) -> Container | None:
    """The container in the JSON of ``inspect``; None when there is none."""
    try:
        rows: list[dict[str, Any]] = json.loads(text)
    except ValueError:
        return None
    if not rows:
        return None
    row = rows[0]
    config, host = row["Config"], row.get("HostConfig") or {}
    entrypoint = config.get("Entrypoint") or ()
    return Container(
        runtime,
        str(row["Name"]).lstrip("/"),
        str(config.get("Image") or row.get("ImageName") or row["Image"]),
        bool(row["State"]["Running"]),
        tuple(config.get("Env") or ()),
        tuple(host.get("Binds") or ()),
        tuple(config.get("Cmd") or ()),
        # podman writes one word as text.
        tuple([entrypoint] if isinstance(entrypoint, str) and entrypoint else entrypoint),
    )


def conf_section(text: str, name: str) -> str:
    """The section of that name in a ceph.conf, with its head and its lines as they stand; "" when there is none."""
    found = re.search(rf"^\[{re.escape(name)}\][^\n]*\n(?:(?!\[)[^\n]*(?:\n|\Z))*", text, re.M)
    return found[0] if found else ""
