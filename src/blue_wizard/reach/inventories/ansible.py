"""Hosts of an Ansible inventory, kolla-ansible's among them, by ``ansible-inventory --list``."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from blue_wizard.errors import InputError
from blue_wizard.reach.inventories.entry import Entry
from blue_wizard.text import _

__all__ = ["parse", "read"]

_TIMEOUT_S = 60
_RUNTIMES = ("docker", "podman")
_WINDOWS_SHELLS = ("powershell", "cmd")
_SSH = ("ssh", "smart", "paramiko", "paramiko_ssh", "ansible.builtin.ssh", "ansible.netcommon.libssh")


def read(file: Path) -> list[Entry]:
    """The hosts of an inventory file, folder or script. Raises InputError when it can't be read."""
    if not file.exists():
        raise InputError(
            _("The Ansible inventory {file} does not exist.").format(file=file),
            _("Correct inventory: {ansible: PATH} in the configuration."),
        )
    argv = ["ansible-inventory", "--list", "-i", str(file)]
    try:
        done = subprocess.run(
            argv, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False, stdin=subprocess.DEVNULL
        )
    except FileNotFoundError as e:
        raise InputError(
            _("ansible-inventory is not installed, and the inventory {file} is read by it.").format(file=file),
            _("Install the Debian package {name}.").format(name="ansible-core"),
        ) from e
    except subprocess.TimeoutExpired as e:
        raise InputError(
            _("ansible-inventory did not end in {seconds} s on {file}.").format(seconds=_TIMEOUT_S, file=file)
        ) from e
    if done.returncode != 0:
        raise InputError(
            _("The Ansible inventory {file} can't be read: {error}").format(
                file=file, error=done.stderr.strip()[-500:] or done.returncode
            ),
            _("Try: {command}").format(command=shlex.join(argv)),
        )
    return parse(done.stdout)


def parse(text: str) -> list[Entry]:
    """The hosts in the JSON of ``ansible-inventory --list``. Raises InputError for anything else.

    Groups are those that a host is in, directly or through their children; ``all`` and ``ungrouped`` say nothing. A variable
    that is a template (``{{ ... }}``) can only be told by Ansible while it runs, and counts as not given. Hosts that
    Ansible itself does not reach by SSH (``ansible_connection: local``) are left out.
    """
    try:
        data = json.loads(text)
        variables: dict[str, dict[str, Any]] = data.get("_meta", {}).get("hostvars", {})
        groups = {k: v for k, v in data.items() if k != "_meta"}
        members = {name: _members(groups, name, ()) for name in groups}
        names = sorted({host for found in members.values() for host in found} | set(variables))
    except (ValueError, AttributeError, TypeError) as e:
        raise InputError(_("ansible-inventory gave no inventory: {error}").format(error=e)) from e
    found = [(name, variables.get(name, {})) for name in names]
    return [_entry(name, v, members) for name, v in found if v.get("ansible_connection", "ssh") in _SSH]


def _members(groups: Mapping[str, Mapping[str, Any]], name: str, above: tuple[str, ...]) -> frozenset[str]:
    group = groups.get(name, {})
    found = set(group.get("hosts", ()))
    for child in group.get("children", ()):
        if child not in above:
            found |= _members(groups, child, (*above, name))
    return frozenset(found)


def _entry(name: str, variables: Mapping[str, Any], members: Mapping[str, frozenset[str]]) -> Entry:
    def first(*keys: str) -> str | None:
        values = (str(variables[k]) for k in keys if variables.get(k) not in (None, ""))
        return next((v for v in values if "{{" not in v), None)

    port = first("ansible_port", "ansible_ssh_port")
    runtime = first("kolla_container_engine")
    return Entry(
        name,
        ("ansible",),
        address=first("ansible_host", "ansible_ssh_host"),
        user=first("ansible_user", "ansible_ssh_user"),
        port=int(port) if port and port.isdigit() else None,
        jump=_jump(" ".join(filter(None, (first("ansible_ssh_common_args"), first("ansible_ssh_extra_args"))))),
        sudo=_sudo(variables),
        groups=tuple(sorted(g for g, found in members.items() if name in found and g not in {"all", "ungrouped"})),
        runtime=runtime if runtime in _RUNTIMES else None,
        # Windows is reached by SSH, too, and Ansible has to be told of its shell then.
        system="windows" if first("ansible_shell_type") in _WINDOWS_SHELLS else None,
    )


def _sudo(variables: Mapping[str, Any]) -> bool | None:
    wanted = variables.get("ansible_become")
    if wanted is None:
        return None
    method = str(variables.get("ansible_become_method", "sudo"))
    return str(wanted).lower() in {"true", "yes", "1", "on"} and method == "sudo"


def _jump(arguments: str) -> str | None:
    """The jump hosts in arguments of ``ssh``: ``-J``, ``ProxyJump``, or the older ``ProxyCommand="ssh -W %h:%p HOST"``."""
    try:
        words = shlex.split(arguments)
    except ValueError:
        return None
    for word, following in zip(words, [*words, ""][1:], strict=True):
        if word.startswith("-J"):
            return word[2:] or following or None
        option = following if word == "-o" else word[2:] if word.startswith("-o") else ""
        key, _equals, value = option.replace(" ", "=", 1).partition("=") if "=" not in option else option.partition("=")
        if key.strip().lower() == "proxyjump":
            return value.strip() or None
        if key.strip().lower() == "proxycommand":
            return _through(value)
    return None


def _through(command: str) -> str | None:
    words = shlex.split(command)
    if not words or not words[0].endswith("ssh") or not any(w.startswith("-W") for w in words):
        return None
    host, port, at = None, None, 1
    while at < len(words):
        word = words[at]
        if not word.startswith("-"):
            host = word
        elif word[1:2] in "BbcDEeFIiJLlmOopQRSWw" and len(word) == 2:
            at += 1
            port = words[at] if word == "-p" and at < len(words) else port
        at += 1
    return f"{host}:{port}" if host and port else host
