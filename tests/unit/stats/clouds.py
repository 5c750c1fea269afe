"""A recorded cloud, and one that answers from it."""

from __future__ import annotations

import copy
import json
import threading
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from blue_wizard.stats.collect import Snapshot
from blue_wizard.stats.listings import LISTINGS

GOLDEN = Path(__file__).parent / "golden" / "lab.json"
"""Everything that `collect` read from a cloud with two compute hosts and three OSDs; links and CPU features left out."""


def recorded() -> Snapshot:
    """A copy of the recorded snapshot, to be changed at will."""
    return Snapshot(**copy.deepcopy(json.loads(GOLDEN.read_text())))


class Answers:
    """Stands for `reach.openstack.Cloud`: no network. `errors` by a piece of "SERVICE PATH"; `hanging` never answer."""

    name = "mine"

    def __init__(self, rows: dict[str, Any], errors: dict[str, Exception] | None = None, hanging: str = "") -> None:
        self.rows, self.errors, self.hanging = rows, dict(errors or {}), hanging
        self.asked: list[str] = []
        self.versions: dict[str, str | None] = {}
        self.at_once: dict[str, int] = {}
        self.most: dict[str, int] = {}
        self._lock = threading.Lock()
        self.released = threading.Event()

    def microversion(self, service: str, at_most: str) -> str:
        return at_most

    def get(
        self, service: str, path: str, *, missing_ok: bool = False, microversion: str | None = None, timeout_s: float
    ) -> Any:
        with self._lock:
            self.asked.append(f"{service} {path}")
            self.versions[path.partition("?")[0]] = microversion
            self.at_once[service] = self.at_once.get(service, 0) + 1
            self.most[service] = max(self.most.get(service, 0), self.at_once[service])
        try:
            if self.hanging and self.hanging in path:
                self.released.wait(30)
            error = next((e for word, e in self.errors.items() if word in f"{service} {path}"), None)
            if error is not None:
                raise error
            return self._answer(service, path)
        finally:
            with self._lock:
                self.at_once[service] -= 1

    def _answer(self, service: str, path: str) -> Any:
        if service == "placement":
            return self._placement(path)
        one = next(
            x for x in LISTINGS.values() if x.service == service and x.path.partition("?")[0] == path.partition("?")[0]
        )
        rows = self.rows[one.name]
        query = parse_qs(urlsplit(path).query)
        if one.page is None or "limit" not in query:
            return {one.key: rows}
        ids = [row["id"] for row in rows]
        at = ids.index(query["marker"][0]) + 1 if "marker" in query else 0
        limit = int(query["limit"][0])
        more = [{"rel": "next", "href": "http://other/x"}] if at + limit < len(rows) else []
        return {one.key: rows[at : at + limit], f"{one.key}_links": more}

    def _placement(self, path: str) -> Any:
        providers = {p["uuid"]: p for p in self.rows["providers"]}
        if path == "/resource_providers":
            found = [{"uuid": u, "name": p["name"], "root_provider_uuid": p["root"]} for u, p in providers.items()]
            return {"resource_providers": found}
        if path.startswith("/allocation_candidates"):
            wanted = path.partition("resources=")[2].partition(":")[0]
            free = {
                u: {"resources": p["resources"], "traits": p["traits"]}
                for u, p in providers.items()
                if wanted in p["resources"] and p["resources"][wanted]["used"] < p["resources"][wanted]["capacity"]
            }
            return {"allocation_requests": [], "provider_summaries": free}
        _empty, _word, uuid, what = path.split("/")
        if what == "inventories":
            return {"inventories": copy.deepcopy(providers[uuid]["inventories"])}
        return {"usages": {name: n["used"] for name, n in providers[uuid]["resources"].items()}}
