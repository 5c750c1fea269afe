"""The scripts that a played host is given, by their whole text: another text is unknown here, and an error."""

from __future__ import annotations

from blue_wizard.disks.layouts import base, kolla, rdo
from blue_wizard.facts.blockdev import COMMANDS

from .answers import OK, Answer, Tool
from .shown import signatures
from .site import JOURNAL, State, attach, lookup, settle

__all__ = ["LOOKS", "TOOLS"]


def _sh(state: State, name: str, argv: list[str]) -> Answer:
    known = _SCRIPTS.get(argv[2])
    if known is None:
        return 127, "", f"sh: this script is not known: {argv[2]}"
    return known(state, name, argv[4:])


def _running(state: State, name: str, words: list[str]) -> Answer:
    box = state["hosts"][name]["boxes"].get(words[1])
    return (0 if box and box["running"] else 1), "", ""


def _labelled(state: State, name: str, words: list[str]) -> Answer:
    d, _p = lookup(state, name, words[0])
    return (0 if d and any(p["label"] == words[1] for p in d["parts"]) else 1), "", ""


def _named(state: State, name: str, words: list[str]) -> Answer:
    d, _p = lookup(state, name, words[1])
    return (0 if d and any(p["n"] == int(words[0]) and p["label"] == words[2] for p in d["parts"]) else 1), "", ""


def _prepared(state: State, name: str, words: list[str]) -> Answer:
    d, _p = lookup(state, name, words[0])
    return (0 if d and any(p["kind"] == words[1] for p in d["parts"]) else 1), "", ""


def _has_guid(state: State, name: str, words: list[str]) -> Answer:
    d, _p = lookup(state, name, words[0])
    return (0 if d and any(p["uuid"] == words[1] for p in d["parts"]) else 1), "", ""


def _no_signature(state: State, name: str, words: list[str]) -> Answer:
    d, _p = lookup(state, name, words[0])
    return (0 if d and not signatures(d) else 1), "", ""


def _no_parts(state: State, name: str, words: list[str]) -> Answer:
    d, _p = lookup(state, name, words[0])
    return (0 if d and not d["parts"] and not d["pv"] else 1), "", ""


def _headers(state: State, name: str, _words: list[str]) -> Answer:
    lines = []
    for serial, letter in sorted(state["hosts"][name]["letters"].items()):
        for p in state["disks"][serial]["parts"]:
            if p["kind"] == JOURNAL:
                owner = "" if state["disks"][serial]["dead"] else (p["content"] or {}).get("journal_of", "")
                header = f"04000000400000000100000000000000{owner.replace('-', '')}" if owner else ""
                lines.append(f"/dev/sd{letter}{p['n']} {header.ljust(128, '0') if header else ''}")
    return 0, "\n".join(lines), ""


def _delete(state: State, name: str, words: list[str]) -> Answer:
    kernel = words[0].split("/")[3]
    h = state["hosts"][name]
    h["letters"] = {s: x for s, x in h["letters"].items() if f"sd{x}" != kernel}
    settle(state)
    return OK


def _scan(state: State, name: str, _words: list[str]) -> Answer:
    attach(state, name)
    settle(state)
    return OK


def _append(state: State, name: str, words: list[str]) -> Answer:
    state["hosts"][name]["fstab"] += words[0] + "\n"
    return OK


def _append_once(state: State, name: str, words: list[str]) -> Answer:
    if words[0] not in state["hosts"][name]["fstab"].splitlines():
        state["hosts"][name]["fstab"] += words[0] + "\n"
    return OK


def _append_conf(state: State, name: str, words: list[str]) -> Answer:
    state["hosts"][name]["conf"] += words[0]
    return OK


_NO_SIGNATURE = 'test -z "$(wipefs -n -p "$1" | grep -v "^#")"'
_NO_PARTS = 'test "$(lsblk -nr -o NAME "$1" | wc -l)" = 1'
_HEADERS = COMMANDS["journals"][2]
LOOKS = {_HEADERS, base.HAS_GUID, kolla._RUNNING, kolla._LABEL, kolla._NAMED, rdo._PREPARED, _NO_SIGNATURE, _NO_PARTS}
_SCRIPTS: dict[str, Tool] = {
    base.HAS_GUID: _has_guid,
    kolla._RUNNING: _running,
    kolla._LABEL: _labelled,
    kolla._NAMED: _named,
    rdo._PREPARED: _prepared,
    _NO_SIGNATURE: _no_signature,
    _NO_PARTS: _no_parts,
    _HEADERS: _headers,
    'echo 1 > "$1"': _delete,
    'echo "- - -" > "$1"': _scan,
    'for h in /sys/class/scsi_host/host*/scan; do [ -w "$h" ] && echo "- - -" > "$h"; done; udevadm settle -t 10; true': _scan,
    'printf "%s\\n" "$1" >> /etc/fstab': _append,
    'grep -qxF "$1" /etc/fstab || printf "%s\\n" "$1" >> /etc/fstab': _append_once,
    'printf "%s" "$1" >> /etc/ceph/ceph.conf': _append_conf,
}
TOOLS: dict[str, Tool] = {
    "sh": _sh,
}
