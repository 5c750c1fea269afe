"""Commands and conditions of plans, carried out on the real world: the cluster and one storage host.

A command is ``{on: "ceph"|"host", argv: [...], why, ok?: [status...], timeout_s?, rest?: true, stdin?}``. One with ``rest`` runs
only when those before it were not enough. Words in angle brackets stand for what is known only when it runs, see `World.words`.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from blue_wizard import masking
from blue_wizard.disks import survey
from blue_wizard.disks.identity import osd_of_part
from blue_wizard.errors import StepFailed
from blue_wizard.facts.blockdev import Disk, HostDisks
from blue_wizard.facts.ceph import Cluster, Osd
from blue_wizard.jobs.actions import Args, Context
from blue_wizard.jobs.model import Json
from blue_wizard.reach import disks, ssh
from blue_wizard.reach.ceph_cli import Ceph
from blue_wizard.reach.faults import CommandFailed, Fault
from blue_wizard.text import _

__all__ = ["KEPT", "World", "close", "kept_name", "shown"]

KEPT = "blue-wizard/osd.{id}.keyring"
"""Where the monitors keep the keyring of an OSD while it is replaced: nothing secret leaves the cluster."""

_TOKEN = re.compile(r"<(new-disk(?::\d+)?|fs-uuid|partuuid:\d+|old-name|disk-of:[0-9A-Za-z-]+)>")
_LIGHT = ("dump", "status", "pgs")
_WEIGHT_MARGIN = 0.01
_TIMEOUT_S = 120


def kept_name(osd: int) -> str:
    """The name of the config-key of an OSD's kept keyring."""
    return KEPT.format(id=osd)


def close(a: float, b: float) -> bool:
    """Two CRUSH weights that are the same for Ceph, which keeps them in steps of 1/65536."""
    return abs(a - b) <= max(abs(a), abs(b)) * _WEIGHT_MARGIN


def shown(command: Mapping[str, Json], host: str) -> str:
    """A command as a person reads it, with the place where it runs (pure)."""
    where = "" if command["on"] == "ceph" else f"{host}: "
    words = ["ceph", *command["argv"]] if command["on"] == "ceph" else command["argv"]
    return where + " ".join(_quoted(str(w)) for w in words)


def _quoted(word: str) -> str:
    # What stands for something is no redirection, and would look odd in quotes.
    bare = _TOKEN.sub("", word)
    return word if bare != word and (not bare or shlex.quote(bare) == bare) else shlex.quote(word)


class World:
    """What a step of one OSD sees and does. It is made anew for each part of a step: nothing in it is remembered for long."""

    def __init__(self, ctx: Context, args: Args) -> None:
        self._ctx, self._args = ctx, args
        self.osd: int = args["osd"]
        self.host: str = args["host"]
        self.ceph = Ceph(args["cloud"])

    def cluster(self) -> Cluster:
        """The maps that change: OSDs, PGs, health."""
        return survey.read_cluster(self._args["cloud"], _LIGHT)

    def disks(self) -> HostDisks:
        """The disks of the host. Raises StepFailed when they can't be looked at: that would be taken for none."""
        found = disks.read({self.host: ()})[self.host]
        if "disks" in found.failed:
            text = _("the disks of {host} could not be looked at: {why}")
            raise StepFailed(text.format(host=self.host, why=found.failed["disks"]))
        return found

    def disk_key(self) -> str:
        """The key of the disk that the OSD is to be on: that of the swap, where there was one."""
        try:
            return str(self._ctx.outcome("swap")["disk"])
        except KeyError:
            return str(self._args["disk"])

    def new_disk(self) -> Disk:
        """That disk as the kernel names it now. Raises StepFailed when it is not there."""
        key = self.disk_key()
        found = next((d for d in self.disks().disks if d.key == key), None)
        if found is None:
            raise StepFailed(
                _("Disk {key} is not in {host} any more.").format(key=key, host=self.host),
                _("Put it back, and carry on: blue-wizard job rollback, or run the plan again."),
            )
        return found

    def past_return(self) -> bool:
        """Whether the old OSD's data is out of reach: its disk was pulled, or nothing on it shows that OSD any more."""
        try:
            self._ctx.outcome("swap")
            swapped = True
        except KeyError:
            swapped = False
        if not swapped and not self._args["rebuild"]:
            return False
        host = self.disks()
        disk = next((d for d in host.disks if d.key == self._args["disk"]), None)
        if disk is None:
            return True
        uuid = self._args["uuid"]
        mine = any(osd_of_part(p) in {(self.osd, ""), (self.osd, "_B")} or p.uuid.lower() == uuid for p in disk.parts)
        return not mine and not any(lv.tags.get("ceph.osd_fsid") == uuid for lv in host.volumes)

    def words(self, argv: Sequence[str]) -> list[str]:
        """The argv, filled in with what letters mean now: they move when a host reboots and when a disk is swapped.

        ``<new-disk>`` (its path), ``<new-disk:1>`` (its first partition), ``<fs-uuid>`` (of that), ``<partuuid:2>`` (GUID of its
        second), ``<old-name>`` (the name of the failed disk), ``<disk-of:GUID>`` (the disk with that partition).
        """
        tokens = {m[1] for w in argv for m in _TOKEN.finditer(w)}
        if not tokens:
            return list(argv)
        host = self.disks()
        found = {t: self._elsewhere(host, t) for t in tokens if t == "old-name" or t.startswith("disk-of:")}
        if found.keys() == tokens:
            return [_TOKEN.sub(lambda m: found[m[1]], w) for w in argv]
        disk = self.new_disk()

        def fill(m: re.Match[str]) -> str:
            if m[1] in found:
                return found[m[1]]
            if m[1] == "new-disk":
                return disk.path
            if m[1] == "fs-uuid":
                part = next((p for p in disk.parts if p.fs_uuid), None)
                if part is None:
                    raise StepFailed(_("{disk} has no file system yet.").format(disk=disk.path))
                return part.fs_uuid
            number = m[1].split(":")[1]
            if m[1].startswith("partuuid"):
                guid = next((p.uuid for p in disk.parts if p.number == int(number)), "")
                if not guid:
                    raise StepFailed(_("{disk} has no partition {number} yet.").format(disk=disk.path, number=number))
                return guid
            return f"{disk.path}p{number}" if disk.path[-1].isdigit() else f"{disk.path}{number}"

        return [_TOKEN.sub(fill, w) for w in argv]

    def _elsewhere(self, host: HostDisks, token: str) -> str:
        """What a token means that names another disk than the new one. Raises StepFailed unless exactly one disk fits."""
        guid = token.partition(":")[2].lower()
        if guid:
            fits = [d.path for d in host.disks if any(p.uuid.lower() == guid for p in d.parts)]
        else:
            fits = [d.name for d in host.disks if d.key == self._args["disk"]]
        if len(fits) != 1:
            text = _("{count} disks of {host} are {what}.")
            raise StepFailed(text.format(count=len(fits), host=self.host, what=guid or self._args["disk"]))
        return fits[0]

    def run(self, command: Mapping[str, Json], *, changes: bool = False) -> tuple[int, str, str]:
        """Run a command: exit status, stdout, stderr. One that `changes` the host runs there when no other one does."""
        timeout = float(command.get("timeout_s") or _TIMEOUT_S)
        argv = self.words(command["argv"])
        stdin = self._secret(command["stdin"]) if command.get("stdin") else None
        if command["on"] == "ceph":
            return self.ceph.run(*argv, stdin=stdin, timeout_s=timeout)
        alone = self._alone if changes else None
        done = ssh.host(self.host).run(argv, timeout_s=timeout, stdin=stdin, root=True, within=alone)
        return done.status, done.stdout, done.stderr

    def _alone(self, argv: Sequence[str]) -> list[str]:
        # What a killed worker had begun may still run on the host: the next command of this OSD waits for it there.
        return ["flock", "-w", str(_TIMEOUT_S * 5), f"/run/lock/blue-wizard-osd-{self.osd}", *argv]

    def _secret(self, form: str) -> str:
        """What goes to a command's stdin: the kept ``keyring``, or its key as `osd new` takes it. Raises StepFailed without one."""
        text = self.ceph.check("config-key", "get", kept_name(self.osd))
        found = re.search(r"key\s*=\s*(\S+)", text)
        if found is None:
            raise StepFailed(_("The kept keyring of osd.{id} has no key.").format(id=self.osd))
        masking.learn(found[1])
        return text if form == "keyring" else json.dumps({"cephx_secret": found[1]})

    def carry_out(self, commands: Sequence[Mapping[str, Json]], done: Callable[[], bool]) -> None:
        """Run commands in order; those with ``rest`` only while `done` says no. Raises StepFailed naming the one that failed."""
        for command in commands:
            if command.get("rest") and done():
                return
            self._ctx.check_stop()
            ok = command.get("ok")
            try:
                status, out, error = self.run(command, changes=True)
            except CommandFailed as e:
                # Whoever waits for a disk that never answers is ended by his time-out; what follows may be what helps.
                if e.fault is not Fault.TIMEOUT or ok != "any":
                    raise
                continue
            if status != 0 and ok != "any" and status not in (ok or ()):
                text = (error or out).strip()[-400:] or str(status)
                raise StepFailed(_("{command} failed: {error}").format(command=shown(command, self.host), error=text))

    def holds(self, conditions: Sequence[Mapping[str, Json]]) -> bool:
        """Whether all conditions hold now. An empty list never does: it would make any step look done."""
        return bool(conditions) and all(self._holds(c) for c in conditions)

    def _holds(self, c: Mapping[str, Json]) -> bool:
        kind = str(c["is"])
        if kind == "run":
            status, out, _error = self.run(c)
            fits = status in c["status"] if "status" in c else True
            fits = fits and (out.strip() in c["out"] if "out" in c else True)
            return fits != bool(c.get("not"))
        if kind in {"key.absent", "key.present"}:
            status, _out, error = self.ceph.run("auth", "get", f"osd.{self.osd}")
            if status not in {0, 2} or (status == 2 and "ENOENT" not in error):
                raise StepFailed(
                    _("Ceph does not tell whether osd.{id} has a key: {error}").format(id=self.osd, error=error)
                )
            return (status == 0) == (kind == "key.present")
        if kind in {"disk.absent", "disk.present"}:
            there = any(d.key == c["disk"] for d in self.disks().disks)
            return there == (kind == "disk.present")
        if kind == "crush.absent":
            return not any(n["id"] == self.osd for n in self.ceph.json("osd", "tree")["nodes"])
        if kind == "orch.unmanaged":
            found = self.ceph.json("orch", "ls", "osd", str(c["service"]))
            return any(bool(s.get("unmanaged")) == (c["value"] == "true") for s in found)
        if kind == "osd.at":
            return self._at(c)
        known = {int(o["osd"]): o for o in self.ceph.json("osd", "dump")["osds"]}
        return _state(kind, known.get(self.osd), c)

    def _at(self, c: Mapping[str, Json]) -> bool:
        """The OSD stands in the CRUSH map at its place, with its weight and class."""
        cluster = survey.read_cluster(self._args["cloud"], (*_LIGHT, "tree"))
        osd: Osd | None = cluster.osds.get(self.osd)
        if osd is None or osd.weight is None:
            return False
        wanted = {k: v for k, v in c["location"].items() if k != "root"} or c["location"]
        placed = all(osd.location.get(k) == v for k, v in wanted.items())
        classed = not c.get("class") or osd.device_class == c["class"]
        return placed and classed and close(osd.weight, float(c["weight"]))


def _state(kind: str, osd: Mapping[str, Any] | None, c: Mapping[str, Json]) -> bool:
    """Whether an OSD of the map is in the state that a condition names (pure)."""
    if kind == "osd.absent":
        return osd is None
    if osd is None:
        return kind == "osd.out"
    destroyed = "destroyed" in osd.get("state", ())
    fresh = str(osd.get("uuid", "")) != c.get("not_uuid", "-")
    return {
        "osd.out": not osd["in"],
        "osd.in": bool(osd["in"]),
        "osd.down": not osd["up"],
        "osd.destroyed": destroyed,
        "osd.present": not destroyed,
        "osd.up": bool(osd["up"]) and not destroyed and fresh,
    }[kind]
