"""Prometheus' Alertmanager: silences by its API (v2). No decisions."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import orjson
import urllib3

from blue_wizard import config, tracing
from blue_wizard.errors import InputError, StepFailed
from blue_wizard.text import _

__all__ = ["active", "expire", "known", "silence"]

_TIMEOUT_S = 20.0


def known(cloud: str) -> bool:
    """Whether the configuration names one (``clouds: {CLOUD: {alertmanager: ...}}``)."""
    found = config.load().clouds.get(cloud)
    return found is not None and found.alertmanager is not None


def silence(cloud: str, host: str, comment: str, seconds: float) -> str:
    """Silence all alarms of a host, by its name with or without a domain and a port; the silence's id. It ends by itself."""
    access = _access(cloud)
    now = time.time()
    name = host.replace(".", r"\.")
    body = {
        "matchers": [
            {"name": access.label, "value": rf"{name}(\..*)?(:\d+)?", "isRegex": True, "isEqual": True},
        ],
        "startsAt": datetime.fromtimestamp(now, UTC).isoformat(),
        "endsAt": datetime.fromtimestamp(now + seconds, UTC).isoformat(),
        "createdBy": "blue-wizard",
        "comment": comment,
    }
    return str(_call(cloud, "POST", "/silences", body)["silenceID"])


def active(cloud: str, comment: str) -> list[str]:
    """The ids of the silences with this comment that are not over."""
    listed = _call(cloud, "GET", "/silences")
    return [str(s["id"]) for s in listed if s["comment"] == comment and s["status"]["state"] != "expired"]


def expire(cloud: str, id_: str) -> None:
    """End a silence; one that is over already is fine."""
    _call(cloud, "DELETE", f"/silence/{id_}", missing_ok=True)


def _access(cloud: str) -> config.AlertmanagerAccess:
    found = config.load().clouds.get(cloud)
    if found is None or found.alertmanager is None:
        raise InputError(_("No Alertmanager of cloud {name} is known.").format(name=cloud))
    return found.alertmanager


def _call(cloud: str, method: str, path: str, body: Any = None, *, missing_ok: bool = False) -> Any:
    access = _access(cloud)
    url = f"{access.url.rstrip('/')}/api/v2{path}"
    try:
        with urllib3.PoolManager(
            retries=False, timeout=_TIMEOUT_S, ca_certs=str(access.ca_file.expanduser()) if access.ca_file else None
        ) as pool:
            headers = {"Content-Type": "application/json"} if body is not None else {}
            reply = pool.request(method, url, body=None if body is None else orjson.dumps(body), headers=headers)
    except urllib3.exceptions.HTTPError as e:
        raise StepFailed(_("Alertmanager at {url} does not answer: {error}").format(url=access.url, error=e)) from e
    if method != "GET":
        tracing.tell("api", f"alertmanager {access.url}", f"{method} {path}", str(reply.status))
    if reply.status == 404 and missing_ok:
        return None
    if reply.status >= 400:
        error = reply.data.decode(errors="replace").strip()[:300]
        raise StepFailed(
            _("Alertmanager refused {method} {path} ({status}): {error}").format(
                method=method, path=path, status=reply.status, error=error
            )
        )
    return orjson.loads(reply.data) if reply.data else None
