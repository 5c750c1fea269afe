"""vCenter and ESXi by their API: one session per URL, log-in again when it has expired, whole inventories in few calls."""

from __future__ import annotations

import atexit
import http.client
import os
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from blue_wizard import tracing
from blue_wizard.errors import InputError, StepFailed
from blue_wizard.masking import learn
from blue_wizard.reach import vsphere_access
from blue_wizard.reach.vsphere_access import Access, Trust, unreachable
from blue_wizard.text import _

__all__ = ["Center", "CenterRefuses", "Found", "connect", "plain"]

T = TypeVar("T")
_PAGE = 100
_TRIES = 4
_TIMEOUT_S = 60
_REFUSED_FOR_S = 300.0
_known: dict[str, Center] = {}
_refused: dict[str, tuple[float, InputError]] = {}
_lock = threading.Lock()


@dataclass(frozen=True)
class Found:
    """A managed object: its type (``VirtualMachine``), its id (``vm-12``), and the properties that were asked for and are set."""

    type: str
    id: str
    props: Mapping[str, Any]


def connect(url: str) -> Center:
    """The session for a URL, shared by the whole process. Raises InputError: unknown password, refused, unreachable."""
    with _lock:
        if url not in _known:
            when, error = _refused.get(url, (0.0, None))
            # Accounts are locked after a few wrong passwords, and invariants look every few seconds.
            if error is not None and time.monotonic() - when < _REFUSED_FOR_S:
                raise error
            where = vsphere_access.access(url)
            word = vsphere_access.password(where)
            center = Center(where, vsphere_access.trust(where), word)
            try:
                center.renew(0)
            except LoginRefused as e:
                _refused[url] = (time.monotonic(), e)
                raise
            _known[url] = center
            atexit.register(center.close)
        return _known[url]


class LoginRefused(InputError):
    """Wrong name or password."""


class CenterRefuses(StepFailed):
    """The server has answered, with a fault of its own; `fault` is the type of it (``FileFault``)."""

    def __init__(self, message: str, fault: str) -> None:
        super().__init__(message)
        self.fault = fault


class Center:
    """One vCenter or ESXi host. Its methods may be called by several threads at once."""

    def __init__(self, where: Access, trusted: Trust, password: str) -> None:
        self.where = where
        self.trust = trusted
        self._password = password
        self._content: Any = None
        self._stub: Any = None
        self._login = threading.Lock()
        self.generation = 0
        """Counts the log-ins: whoever finds the session expired says which one."""

    def renew(self, generation: int) -> None:
        """Log in, unless somebody else has done so since `generation`. Raises InputError."""
        from pyVim import connect as vim_connect
        from pyVmomi import vim, vmodl

        with self._login:
            if generation != self.generation:
                return
            try:
                if self._stub is None:
                    self._stub = vim_connect.SmartStubAdapter(
                        host=self.where.host,
                        port=self.where.port,
                        sslContext=self.trust.context,
                        httpConnectionTimeout=_TIMEOUT_S,
                    )
                self._stub.cookie = ""
                self._content = vim.ServiceInstance("ServiceInstance", self._stub).RetrieveContent()
                self._content.sessionManager.Login(self.where.user, self._password, None)
            except vim.fault.InvalidLogin as e:
                raise LoginRefused(
                    _("{host} refuses the name or the password of {user}.").format(
                        host=self.where.host, user=self.where.user
                    ),
                    _(
                        "Correct the user in the url or the password; after some failures the account is locked for a while."
                    ),
                ) from e
            except vmodl.MethodFault as e:
                raise InputError(
                    _("{host} refuses the log-in: {error}").format(host=self.where.host, error=_words(e))
                ) from e
            except (OSError, http.client.HTTPException) as e:
                raise unreachable(self.where, e) from e
            except Exception as e:  # pyVmomi raises bare Exception for a server that speaks no vSphere
                raise unreachable(self.where, e) from e
            self.generation += 1
            learn(self.cookie().partition("=")[2].strip('"'))

    def basic(self) -> dict[str, str]:
        """Name and password as the header that the REST API is logged in to with."""
        word = b64encode(f"{self.where.user}:{self._password}".encode()).decode()
        learn(word)
        return {"Authorization": f"Basic {word}"}

    def hand_over(self) -> tuple[int, Callable[[], None]]:
        """The password for a program that logs in by itself: the end of a pipe to read it from, and what closes that end.

        Passwords on command lines are seen by everybody on the machine, and files outlive a killed worker.
        """
        read, write = os.pipe()
        with os.fdopen(write, "w") as pipe:
            pipe.write(self._password)
        return read, lambda: os.close(read)

    def cookie(self) -> str:
        """The session as an HTTP cookie, ``vmware_soap_session=...``."""
        return str(self._stub.cookie).split(";")[0]

    def close(self) -> None:
        """End the session; sessions that are left open are counted until they expire."""
        try:
            self._content.sessionManager.Logout()
        except Exception:  # it may be expired or unreachable by now, and nothing depends on it
            return

    def call(self, what: Callable[[Any], T], *, reads: bool = True) -> T:
        """`what(content)`; once more after a new log-in when the session has expired, and again when a read breaks off.

        Raises StepFailed with the server's own words. `reads` says that it may be repeated at any time.
        """
        from pyVmomi import vim, vmodl

        expired = 0
        for attempt in range(1, _TRIES + 1):
            generation = self.generation
            try:
                return what(self._content)
            except (vim.fault.NotAuthenticated, vmodl.fault.SecurityError) as e:
                # Of those, only a session that is not (or no longer) known is mended by a new one.
                lacks_rights = isinstance(e, vim.fault.NoPermission) and not isinstance(e, vim.fault.NotAuthenticated)
                if lacks_rights or expired:
                    raise self._failed(e) from e
                expired += 1
                self.renew(generation)
            except vmodl.MethodFault as e:
                raise self._failed(e) from e
            except (OSError, http.client.HTTPException) as e:
                if not reads or attempt == _TRIES:
                    raise StepFailed(
                        _("{host} does not answer: {error}").format(host=self.where.host, error=e),
                        _("Carry on when it is back: blue-wizard job resume ID"),
                    ) from e
                time.sleep(0.5 * 2**attempt)
        raise AssertionError("the last attempt returns or raises")

    def _failed(self, fault: Any) -> StepFailed:
        text = _("{host} refuses: {error}").format(host=self.where.host, error=_words(fault))
        return CenterRefuses(text, type(fault).__name__.rpartition(".")[2])

    def alive(self) -> bool:
        """Whether the session still lives; asking keeps it alive."""
        generation = self.generation
        with suppress(Exception):  # expired, or unreachable: the log-in below tells which
            if self._content.sessionManager.currentSession is not None:
                return True
        self.renew(generation)
        return False

    def collect(self, wanted: Mapping[str, Sequence[str]], *, page: int = _PAGE) -> list[Found]:
        """All objects of the types in `wanted` (names below pyVmomi's ``vim``) with those properties, `page` at a time."""
        return self.call(lambda content: _collect(content, wanted, page))

    def attribute_names(self) -> dict[int, str]:
        """The names of custom attributes by their keys; a bare host knows none."""

        def read(content: Any) -> dict[int, str]:
            manager = content.customFieldsManager
            return {int(f.key): str(f.name) for f in manager.field} if manager else {}

        return self.call(read)

    def one(self, type: str, id: str, properties: Sequence[str]) -> Mapping[str, Any]:
        """Properties of one object. Raises StepFailed when it is gone."""
        from pyVmomi import vmodl

        def read(content: Any) -> Mapping[str, Any]:
            kit = vmodl.query.PropertyCollector
            spec = kit.FilterSpec(
                objectSet=[kit.ObjectSpec(obj=self.object(type, id))],
                propSet=[kit.PropertySpec(type=_class(type), pathSet=list(properties))],
            )
            found = _pages(content.propertyCollector, spec, 1)
            return found[0].props if found else {}

        return self.call(read)

    def object(self, type: str, id: str) -> Any:
        """The pyVmomi object of an id, without asking whether it is there."""
        return _class(type)(id, self._stub)

    def ask(self, type: str, id: str, method: str, **said: Any) -> Any:
        """Call a method that changes nothing; what it gives. Raises StepFailed."""
        found = self.object(type, id)
        return self.call(lambda _content: getattr(found, method)(**said))

    def change(self, type: str, id: str, method: str, **said: Any) -> Any:
        """Call a method that changes an object; what it gives. Raises StepFailed."""
        found = self.object(type, id)
        given = self.call(lambda _content: getattr(found, method)(**said), reads=False)
        tracing.tell("api", f"vsphere {self.where.host}", f"{method} {type} {id}", "accepted")
        return given

    def wait_for(self, task: Any, *, timeout_s: float = 120) -> Any:
        """Wait for the end of a task; its result. Raises StepFailed with its error, or when it takes too long."""
        end = time.monotonic() + timeout_s
        while True:
            info = self.call(lambda _content: task.info)
            if info.state == "success":
                return info.result
            if info.state == "error":
                raise self._failed(info.error)
            if time.monotonic() > end:
                raise StepFailed(
                    _("{host}: {task} is not done after {seconds} s.").format(
                        host=self.where.host, task=info.descriptionId, seconds=round(timeout_s)
                    )
                )
            time.sleep(0.3)


def _class(name: str) -> Any:
    from pyVmomi import vim

    found: Any = vim
    for part in name.split("."):
        found = getattr(found, part)
    return found


def _collect(content: Any, wanted: Mapping[str, Sequence[str]], page: int) -> list[Found]:
    from pyVmomi import vim, vmodl

    kit = vmodl.query.PropertyCollector
    view = content.viewManager.CreateContainerView(content.rootFolder, [_class(n) for n in wanted], True)
    try:
        walk = kit.TraversalSpec(name="view", path="view", type=vim.view.ContainerView, skip=False)
        spec = kit.FilterSpec(
            objectSet=[kit.ObjectSpec(obj=view, skip=True, selectSet=[walk])],
            propSet=[kit.PropertySpec(type=_class(n), pathSet=list(paths)) for n, paths in wanted.items()],
        )
        return _pages(content.propertyCollector, spec, page)
    finally:
        view.Destroy()


def _pages(collector: Any, spec: Any, page: int) -> list[Found]:
    """Everything, however many answers it takes: an answer with a token is not the last one."""
    from pyVmomi import vmodl

    found: list[Found] = []
    options = vmodl.query.PropertyCollector.RetrieveOptions(maxObjects=page)
    answer = collector.RetrievePropertiesEx([spec], options)
    while answer is not None:
        found += [_found(o) for o in answer.objects]
        answer = collector.ContinueRetrievePropertiesEx(answer.token) if answer.token else None
    return found


def _found(entry: Any) -> Found:
    from pyVmomi import vim

    for missing in entry.missingSet:
        # An expired session is no fault of the call: the properties are just not there.
        if isinstance(missing.fault, vim.fault.NotAuthenticated):
            raise missing.fault
    type_name = entry.obj.__class__.__name__.removeprefix("vim.")
    return Found(type_name, entry.obj._moId, {p.name: plain(p.val) for p in entry.propSet})


def plain(value: Any) -> Any:
    """A pyVmomi value as dicts, lists and scalars: objects by their id, data with its type in ``_type``, without unset fields."""
    from pyVmomi.VmomiSupport import DataObject, ManagedObject

    if isinstance(value, list):
        return [plain(v) for v in value]
    if isinstance(value, ManagedObject):
        return value._moId
    if isinstance(value, DataObject):
        fields = {p.name: plain(getattr(value, p.name)) for p in value._GetPropertyList()}
        return {"_type": type(value).__name__, **{k: v for k, v in fields.items() if v is not None and v != []}}
    if value is None or isinstance(value, bool):
        return value
    return int(value) if isinstance(value, int) else str(value)


def _words(fault: Any) -> str:
    text = str(getattr(fault, "msg", "") or "").strip()
    return f"{text} ({type(fault).__name__})" if text else type(fault).__name__
