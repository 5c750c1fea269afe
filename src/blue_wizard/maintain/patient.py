"""A cloud whose APIs may fail for a while: what can be asked twice is asked again. For steps and their undoing, not for plans.

A restarted API, a queue that is away, a proxy without a backend answer with 5xx or not at all, for seconds or minutes. A
step that gave up at the first of these would bring servers back in the middle of a burst that hinders just that.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from blue_wizard.errors import BlueWizardError, StepFailed
from blue_wizard.jobs.actions import Context
from blue_wizard.reach import openstack
from blue_wizard.reach.openstack import ApiError, Cloud

__all__ = ["Patient", "connect", "passing", "sent"]

_PATIENCE_S = 180.0
_EVERY_S = 2.0
_T = TypeVar("_T")


def passing(error: BlueWizardError) -> bool:
    """Whether a failed call may succeed later: the API did not answer, or it failed by itself (pure)."""
    if isinstance(error, ApiError):
        return error.status >= 500 or error.status == 429
    return isinstance(error, StepFailed)


class Patient(Cloud):
    """The calls of `Cloud`. All but `post` are repeated for some minutes: made twice, they do the same as made once."""

    def __init__(self, cloud: Cloud, ctx: Context | None = None) -> None:
        self._cloud, self._ctx = cloud, ctx
        self.name = cloud.name

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cloud, name)

    def _again(self, call: Callable[[], _T]) -> _T:
        began: float | None = None
        while True:
            try:
                return call()
            except BlueWizardError as e:
                if not passing(e):
                    raise
                now = time.monotonic()
                if began is None and self._ctx:
                    self._ctx.event("wait", "an API fails", error=e.message)
                began = now if began is None else began
                if now - began > _PATIENCE_S:
                    raise
            if self._ctx:
                self._ctx.check_stop()
            time.sleep(_EVERY_S)

    def get(self, service: str, path: str, **options: Any) -> Any:
        """GET, see `Cloud.get`."""
        return self._again(lambda: self._cloud.get(service, path, **options))

    def list(self, service: str, path: str, key: str, **options: Any) -> list[dict[str, Any]]:
        """All entries of a listing, see `Cloud.list`."""
        return self._again(lambda: self._cloud.list(service, path, key, **options))

    def post(self, service: str, path: str, body: Mapping[str, Any], **options: Any) -> Any:
        """POST, once: whether a call that failed has had an effect, only who made it can tell."""
        return self._cloud.post(service, path, body, **options)

    def put(
        self, service: str, path: str, body: Mapping[str, Any] | bytes | Iterator[bytes] | None, **options: Any
    ) -> Any:
        """PUT; once where the body is a stream, which is used up by then."""
        if isinstance(body, Iterator):
            return self._cloud.put(service, path, body, **options)
        return self._again(lambda: self._cloud.put(service, path, body, **options))

    def delete(self, service: str, path: str, **options: Any) -> None:
        """DELETE."""
        self._again(lambda: self._cloud.delete(service, path, **options))


def connect(name: str, ctx: Context | None = None) -> Cloud:
    """The cloud of that name, to be asked with patience. With `ctx` an outage is told in the log, and a stop ends the wait."""
    return Patient(openstack.connect(name), ctx)


def sent(ctx: Context, cloud: Cloud, path: str, body: Mapping[str, Any]) -> bool:
    """POST to Nova. False when the API failed by itself: whether it was heard has to be looked at before it is sent again."""
    try:
        cloud.post("compute", path, body)
    except BlueWizardError as e:
        if not passing(e):
            raise
        ctx.event("wait", "an API fails", error=e.message)
        time.sleep(_EVERY_S)
        return False
    return True
