"""Everything that was seen for one diagnosis, as one JSON document: what the APIs said, what each host said.

A bundle is all that the judgement needs: the same bundle gives the same verdict on any machine, at any time. Its format is
`VERSION`; a ``.gz`` file is compressed.
"""

from __future__ import annotations

import gzip
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from blue_wizard.errors import InputError
from blue_wizard.text import _

__all__ = ["VERSION", "Api", "Bundle", "HostAnswer", "read", "write"]

VERSION = 1


@dataclass
class Api:
    """What the APIs said, as they said it. None stands for a list that this user may not see.

    Dicts are by the id of the network (or of the port, for `same_mac`).
    `aim` is what `--to` asked about (see `ask_to.py`), {} without it.
    """

    server: dict[str, Any]
    ports: list[dict[str, Any]] = field(default_factory=list)
    networks: dict[str, dict[str, Any]] = field(default_factory=dict)
    subnets: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    dhcp_ports: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    dhcp_agents: dict[str, list[dict[str, Any]] | None] = field(default_factory=dict)
    agents: list[dict[str, Any]] | None = None
    same_segment: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    same_mac: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    aim: dict[str, Any] = field(default_factory=dict)


@dataclass
class HostAnswer:
    """What a host said (see `agent/look.py`), or why it said nothing."""

    answers: dict[str, Any] | None = None
    fault: str = ""
    message: str = ""
    hint: str = ""


@dataclass
class Bundle:
    """All of it. `taken` is the local time of the machine that looked (Unix seconds)."""

    api: Api
    hosts: dict[str, HostAnswer] = field(default_factory=dict)
    captures: dict[str, Any] = field(default_factory=dict)
    taken: float = 0.0
    took_s: float = 0.0
    version: int = VERSION


def write(bundle: Bundle, path: Path) -> None:
    """Write it to a file, readable by its owner alone (it names addresses of tenants). Raises InputError."""
    data = json.dumps(asdict(bundle), ensure_ascii=False, sort_keys=True, indent=1).encode()
    try:
        path.touch(mode=0o600)
        path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)
    except OSError as e:
        raise InputError(
            _("{file} can't be written: {error}").format(file=path, error=e.strerror), _("Choose another file.")
        ) from e


def read(path: Path) -> Bundle:
    """Read one back. Raises InputError for a file that is none."""
    try:
        data = path.read_bytes()
        document = json.loads(gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data)
        if document.get("version") != VERSION:
            raise ValueError(
                _("format {version}, known is {known}").format(version=document.get("version"), known=VERSION)
            )
        hosts = {name: HostAnswer(**host) for name, host in document.pop("hosts").items()}
        return Bundle(Api(**document.pop("api")), hosts, **document)
    except OSError as e:
        raise InputError(
            _("{file} can't be read: {error}").format(file=path, error=e.strerror or e), _("Check the path.")
        ) from e
    except (ValueError, KeyError, TypeError, AttributeError, EOFError) as e:
        raise InputError(
            _("{file} is no bundle of blue-wizard diagnose: {error}").format(file=path, error=e),
            _("Make one: blue-wizard diagnose network SERVER --bundle FILE"),
        ) from e
