"""This machine: the configuration, the tools that operations call, the ledger, the worker."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterable
from dataclasses import dataclass

from blue_wizard import config
from blue_wizard.doctor.model import Line, Site, check, failed, ok, warning
from blue_wizard.text import _

__all__ = ["MODULES", "TOOLS", "ledger", "settings", "tools", "worker"]


@dataclass(frozen=True)
class Tool:
    """A program or Python module, the Debian package that brings it, and whether every operation needs it."""

    name: str
    package: str
    always: bool = True


TOOLS = (
    Tool("qemu-img", "qemu-utils"),
    Tool("qemu-nbd", "qemu-utils"),
    Tool("nbdcopy", "libnbd-bin"),
    Tool("virt-v2v-in-place", "virt-v2v", always=False),
    Tool("guestfish", "libguestfs-tools", always=False),
)
MODULES = (Tool("rados", "python3-rados"), Tool("rbd", "python3-rbd"), Tool("nbd", "python3-libnbd"))

_LITTLE = 1 << 30
_TOO_LITTLE = 100 << 20


@check("config")
def settings(_site: Site, _item: str) -> Iterable[Line]:
    """The configuration was read, or no check would run."""
    file = config.path()
    text = str(file) if file.is_file() else _("{file} is not there; the defaults count").format(file=file)
    yield ok(_("configuration"), text)


@check("tools")
def tools(_site: Site, _item: str) -> Iterable[Line]:
    """Programs and modules that are not on PyPI."""
    for tool in TOOLS:
        found = shutil.which(tool.name)
        yield ok(tool.name, found) if found else _missing(tool, _("is not installed"))
    for module in MODULES:
        what = _("Python module {name}").format(name=module.name)
        if importlib.util.find_spec(module.name) is None:
            yield _missing(Tool(what, module.package, module.always), _("can't be imported"))
        else:
            yield ok(what)


def _missing(tool: Tool, detail: str) -> Line:
    remedy = _("Install the Debian package {name}.").format(name=tool.package)
    return failed(tool.name, detail, remedy) if tool.always else warning(tool.name, detail, remedy)


@check("ledger")
def ledger(site: Site, _item: str) -> Iterable[Line]:
    """It opens, a change of it is let through (and taken back), and there is room for it."""
    import sqlalchemy as sa

    from blue_wizard.jobs import schema
    from blue_wizard.jobs.ledger import Ledger, database_url
    from blue_wizard.masking import mask

    url = database_url()
    what = _("ledger")
    Ledger(url)
    engine = sa.create_engine(url)
    try:
        with engine.connect() as connection:
            # No row is meant; the right to write is judged all the same.
            connection.execute(sa.update(schema.seal_head).where(sa.false()).values(id=1))
            connection.rollback()
        yield ok(what, mask(url))
    except sa.exc.SQLAlchemyError as e:
        yield failed(what, str(e).splitlines()[0], _("Make it writable: {url}").format(url=mask(url)))
    finally:
        engine.dispose()
    yield space(shutil.disk_usage(site.settings.state_dir).free, str(site.settings.state_dir))


def space(free: int, folder: str) -> Line:
    """The judgement on `free` bytes in the state folder."""
    from blue_wizard.units import bytes_text

    what = _("room in {folder}").format(folder=folder)
    text = _("{size} free").format(size=bytes_text(free))
    remedy = _("Make room, or choose another state_dir.")
    if free < _TOO_LITTLE:
        return failed(what, text, remedy)
    return warning(what, text, remedy) if free < _LITTLE else ok(what, text)


@check("worker")
def worker(_site: Site, _item: str) -> Iterable[Line]:
    """One is up, or none is needed."""
    from blue_wizard.jobs import worker as seat
    from blue_wizard.jobs.ledger import Ledger
    from blue_wizard.jobs.model import State

    what = _("worker")
    pid = seat.alive()
    store = Ledger()
    others = [w for w in store.workers() if w["seat"] != seat.seat()] if store.shared else []
    if pid is not None:
        yield ok(what, _("is up (process {pid})").format(pid=pid))
    elif others:
        yield ok(
            what, _("others are on the list: {hosts}").format(hosts=", ".join(sorted({w["host"] for w in others})))
        )
    else:
        live = (State.QUEUED, State.RUNNING, State.ROLLING_BACK)
        left = [j["id"] for j in store.jobs() if j["state"] in live and j["id"] == j["root"]]
        if left:
            text = _("none is up, and jobs wait for one: {jobs}").format(jobs=", ".join(left))
            yield warning(what, text, _("Carry on: blue-wizard job resume {job}").format(job=left[0]))
        else:
            yield ok(what, _("none is up; a job starts one by itself"))
