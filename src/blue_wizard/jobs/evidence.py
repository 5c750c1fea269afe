"""All that the ledger knows of a job, as one object for auditors: plan, approvals, steps, calls, answers, hashes, seal."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import blue_wizard
from blue_wizard.jobs import views
from blue_wizard.jobs.ledger import Ledger
from blue_wizard.jobs.model import Json, Plan
from blue_wizard.masking import mask

__all__ = ["collect", "hashes_in"]

_EVENT = ("seq", "job", "step", "time", "kind", "message", "data")


def collect(job: str, *, now: float | None = None) -> dict[str, Json]:
    """The evidence of a whole job (of a part: of the job that it belongs to). Raises InputError when there is none of that id.

    ``{job, plan, digest, approvals, gates, parts: [{job, steps ...}], calls, hashes, left, events, seal: {...}}``; the seal says
    whether the whole ledger is as it was written, and with which seal this job's newest event was written.
    """
    ledger = Ledger()
    root = ledger.job(job)["root"]
    view = views.show(root, ledger=ledger, report=True)
    parts = list(_flat(view))
    plan = ledger.plan(root)
    events = [{k: e[k] for k in _EVENT} for e in ledger.events([p["job"] for p in parts])]
    verdict = ledger.audit()
    titles = {f"{p['job']}/{s['id']}": s["title"] for p in parts for s in p["steps"]}
    found: dict[str, Json] = {
        "job": root,
        "title": view["title"],
        "operation": view["operation"],
        "state": view["state"],
        "error": view["error"],
        "version": blue_wizard.__version__,
        "made": time.time() if now is None else now,
        **{k: view[k] for k in ("created", "started", "ended", "took_s", "digest", "params", "window")},
        "preconditions": [c for p in plan.walk() for c in p.as_json()["preconditions"]],
        "invariants": list(dict.fromkeys(p.invariant.title for p in plan.walk() if p.invariant)),
        "approvals": view["approvals"],
        "gates": view["gates"],
        "claims": view["claims"],
        "parts": [_part(p, plan_of) for p, plan_of in zip(parts, _plans(ledger, parts), strict=True)],
        "calls": [e for e in events if e["kind"] == "call"],
        "effects": [e for e in events if e["kind"] == "effect"],
        "hashes": [h for p in parts for s in p["steps"] for h in _hashes(p, s)],
        "left": view["left"],
        "report": view["report"],
        "titles": titles,
        "events": events,
        "seal": {
            "holds": not verdict.faults,
            "faults": list(verdict.faults),
            "events": verdict.events,
            "head": verdict.head,
            "of_job": ledger.seal_of(events[-1]["seq"]) if events else "",
        },
    }
    masked: dict[str, Json] = mask(found)
    return masked


def hashes_in(value: Json) -> Iterator[str]:
    """Every SHA-256 that an outcome names, under keys that end so, at any depth (pure)."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if str(key).endswith("sha256") and isinstance(inner, str):
                yield inner
            else:
                yield from hashes_in(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from hashes_in(inner)


def _hashes(part: Mapping[str, Any], step: Mapping[str, Any]) -> list[dict[str, Json]]:
    return [{"job": part["job"], "step": step["id"], "sha256": h} for h in hashes_in(step["outcome"])]


def _plans(ledger: Ledger, parts: Sequence[Mapping[str, Any]]) -> list[Plan]:
    return [ledger.plan(p["job"]) for p in parts]


def _part(view: Mapping[str, Any], plan: Plan) -> dict[str, Json]:
    keys = ("job", "title", "target", "state", "error", "started", "ended", "took_s", "digest")
    steps = []
    for planned, row in zip(plan.as_json()["steps"], view["steps"], strict=True):
        wanted = {k: planned[k] for k in ("why", "risk", "irreversible", "locks")}
        steps.append({**{k: v for k, v in row.items() if k != "progress"}, **wanted})
    return {**{k: view[k] for k in keys}, "steps": steps}


def _flat(view: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield view
    for child in view["children"]:
        yield from _flat(child)
