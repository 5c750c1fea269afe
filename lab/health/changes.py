"""The kinds of change that plantings are made of. Each reads the present state, so that its undoing restores just that."""

from __future__ import annotations

from lab.faults import Change
from lab.health.ground import Ground
from lab.parts.infra import SOCKET
from lab.run import LabError
from lab.site import STATE

CEPH = f"export CEPH_CONF={STATE}/ceph/ceph.conf\n"
"""Before a script on the machine that asks Ceph."""


def ago(seconds: int) -> str:
    """A moment in the past, as SQL. All services write UTC."""
    return f"utc_timestamp() - interval {seconds} second"


def answered(query: str) -> str:
    """A script for ctl1 that exits 0 once the query gives a row."""
    return f'mariadb --no-defaults -uroot -S {SOCKET} -N -e "{query}" | grep -q .'


def cells(g: Ground, table: str, where: str, *, healed: str = "", **values: str) -> Change:
    """Columns of the rows of a table get other values (each as SQL). Raises LabError unless it is one row.

    `healed`: a query that gives a row once all is as it was.
    """
    columns = ", ".join(f"hex(cast(`{c}` as char))" for c in values)
    rows = [line.split("\t") for line in g.ask(f"select {columns} from {table} where {where}").splitlines()]
    if len(rows) != 1:
        raise LabError(f"{table} has {len(rows)} rows where {where}")
    old = dict(zip(values, map(_literal, rows[0]), strict=True))
    do, undo = (f"update {table} set {_pairs(v)} where {where};" for v in (values, old))
    return Change("sql", do, undo, healed=answered(healed) if healed else "", settle_on="ctl1" if healed else "")


def inserted(table: str, where: str, **values: str) -> Change:
    """A row (each value as SQL) that does not belong there; `where` finds it and no other."""
    undo = f"delete from {table} where {where};"
    return Change("sql", f"{undo} insert into {table} set {_pairs(values)};", undo)


def rows_gone(g: Ground, table: str, where: str) -> Change:
    """Rows are deleted; they come back with all that they had. Raises LabError when there are none."""
    schema, _dot, name = table.partition(".")
    asked = f"select column_name from information_schema.columns where table_schema='{schema}' and table_name='{name}'"
    columns = g.ask(f"{asked} order by ordinal_position").split()
    wanted = ", ".join(f"hex(cast(`{c}` as char))" for c in columns)
    rows = [line.split("\t") for line in g.ask(f"select {wanted} from {table} where {where}").splitlines()]
    if not rows:
        raise LabError(f"{table} has no rows where {where}")
    back = [dict(zip(columns, map(_literal, r), strict=True)) for r in rows]
    undo = " ".join(f"insert ignore into {table} set {_pairs(b)};" for b in back)
    return Change("sql", f"delete from {table} where {where};", undo)


def _pairs(values: dict[str, str]) -> str:
    return ", ".join(f"`{c}`={v}" for c, v in values.items())


def _literal(text: str) -> str:
    # By its bytes: whatever is in it, neither the client's output nor the statement can change it.
    return "NULL" if text == "NULL" else f"convert(unhex('{text}') using utf8)"


def ceph(do: str, undo: str, *, settled: str = "", healed: str = "") -> Change:
    """Commands of ceph and rbd, on the machine."""
    return Change("machine", *(CEPH + script if script else "" for script in (do, undo, settled, healed)))


def image(pool: str, name: str) -> Change:
    """An RBD image that does not belong there."""
    undo = f"rbd info {pool}/{name} >/dev/null 2>&1 || exit 0\nrbd rm --no-progress {pool}/{name}"
    return ceph(f"rbd create --size 1M {pool}/{name}", undo)


def hidden(pool: str, name: str) -> Change:
    """An RBD image is not there any more under its name."""
    aside = f"{pool}/bw-health-{name}"
    undo = f"rbd info {aside} >/dev/null 2>&1 || exit 0\nrbd mv {aside} {pool}/{name}"
    return ceph(f"rbd mv {pool}/{name} {aside}", undo)


def pool(name: str, options: str, *more: str) -> Change:
    """A pool that does not belong there."""
    do = [f"ceph osd pool create {name} {options}", *more]
    return ceph("\n".join(do), f"ceph osd pool rm {name} {name} --yes-i-really-really-mean-it")


def mounted(host: str, where: str, script: str = "") -> Change:
    """A small filesystem in memory over a folder, for this host alone; `script` fills it, before it is put there, as $new."""
    # The folder below is that of the machine, and of all hosts.
    new = f"/run/lab/over{where.replace('/', '-')}"
    do = (
        f"new={new}\nmkdir -p $new\nmount -t tmpfs -o size=4m,mode=755 bw-health $new\ncp -a {where}/. $new/\n{script}\n"
        f"mount --move $new {where}"
    )
    undo = (
        f"! grep -q 'bw-health {where} ' /proc/mounts || umount -l {where}\n"
        f"! grep -q 'bw-health {new} ' /proc/mounts || umount -l {new}\n[ ! -d {new} ] || rmdir {new}"
    )
    return Change(host, do, undo)


def looped(host: str, name: str, make: str, fill: str, options: str = "") -> Change:
    """A small filesystem on a loop device, mounted on a host under /run/lab/NAME; `fill` runs in it."""
    where, file = f"/run/lab/{name}", f"/run/lab/{name}.img"
    do = (
        f"truncate -s 16M {file}\n{make} {file} >/dev/null\nmkdir -p {where}\nmount -o loop{options} {file} {where}\n"
        f"cd {where}\n{fill}"
    )
    undo = f"! grep -q ' {where} ' /proc/mounts || umount -l {where}\n[ ! -d {where} ] || rmdir {where}\nrm -f {file}"
    return Change(host, do, undo)


def process(host: str, name: str, command: str, settled: str = "") -> Change:
    """A process of our own on a host; `command` is one for a shell, and stays in the foreground."""
    pid = f"/run/lab/{name}.health"
    do = f"setsid sh -c 'echo $$ > {pid}; exec {command}' >/dev/null 2>&1 </dev/null &\nsleep 0.3"
    # With all that it started in its session.
    undo = f"[ -s {pid} ] || exit 0\np=$(cat {pid})\npkill -9 -s $p || true\nrm -f {pid}"
    return Change(host, do, undo, settled)
