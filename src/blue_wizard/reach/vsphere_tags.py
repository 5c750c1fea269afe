"""Tags of a vCenter, which its SOAP API does not know: they are read by its REST API (``/rest/com/vmware/cis``)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from blue_wizard.errors import StepFailed
from blue_wizard.masking import learn
from blue_wizard.reach.vsphere import Center
from blue_wizard.text import _

__all__ = ["tags_of"]

_ROOT = "/rest/com/vmware/cis"
_AT_ONCE = 500


def tags_of(center: Center, machines: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
    """The tags (``CATEGORY/TAG``, sorted) of machines that have any, by their ids. A bare host has none. Raises StepFailed."""
    import urllib3

    where = center.where
    pool = urllib3.HTTPSConnectionPool(
        where.host,
        where.port,
        retries=False,
        timeout=urllib3.Timeout(connect=15, read=60),
        ssl_context=center.trust.context,
    )
    session = ""

    def ask(method: str, path: str, body: Any = None, **headers: str) -> Any:
        try:
            answer = pool.request(
                method,
                _ROOT + path,
                body=None if body is None else json.dumps(body),
                headers={"Content-Type": "application/json", "vmware-api-session-id": session, **headers},
            )
            if answer.status == 404:
                return None
            if answer.status != 200:
                raise StepFailed(
                    _("{host} does not tell its tags: {error}").format(
                        host=where.host, error=f"HTTP {answer.status} {answer.reason or ''}".strip()
                    )
                )
            return json.loads(answer.data).get("value") if answer.data else None
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as e:
            raise StepFailed(_("{host} does not tell its tags: {error}").format(host=where.host, error=e)) from e

    try:
        token = ask("POST", "/session", **center.basic())
        if token is None:
            return {}
        session = str(token)
        learn(session)
        try:
            return _read(ask, machines)
        finally:
            ask("DELETE", "/session")
    finally:
        pool.close()


def _read(ask: Any, machines: Sequence[str]) -> dict[str, tuple[str, ...]]:
    attached: dict[str, list[str]] = {}
    for part in _parts(machines):
        objects = [{"type": "VirtualMachine", "id": id} for id in part]
        path = "/tagging/tag-association?~action=list-attached-tags-on-objects"
        for one in ask("POST", path, {"object_ids": objects}) or []:
            attached.setdefault(one["object_id"]["id"], []).extend(one.get("tag_ids") or [])
    categories: dict[str, str] = {}
    names: dict[str, str] = {}
    for id in sorted({t for tags in attached.values() for t in tags}):
        tag = ask("GET", f"/tagging/tag/id:{id}")
        if tag is None:
            continue  # deleted meanwhile
        category = tag["category_id"]
        if category not in categories:
            found = ask("GET", f"/tagging/category/id:{category}")
            categories[category] = found["name"] if found else category
        names[id] = f"{categories[category]}/{tag['name']}"
    found = {machine: tuple(sorted(names[t] for t in tags if t in names)) for machine, tags in attached.items()}
    return {machine: tags for machine, tags in found.items() if tags}


def _parts(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for at in range(0, len(ids), _AT_ONCE):
        yield ids[at : at + _AT_ONCE]
