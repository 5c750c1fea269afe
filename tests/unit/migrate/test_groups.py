"""Server groups on a made-up Nova: found again after a crash, shared by later waves, and never taken from somebody else."""

from __future__ import annotations

from typing import Any

import pytest

from blue_wizard.errors import StepFailed
from blue_wizard.migrate.targets import groups
from blue_wizard.migrate.targets.groups import CreateServerGroup, group_id

from .hands import Hands

ARGS = {"cloud": "c", "name": "apart", "policy": "soft-anti-affinity"}


class Nova:
    """Server groups, and nothing else."""

    def __init__(self, *names: str, policy: str = "soft-anti-affinity") -> None:
        self.groups = [self._group(n, policy) for n in names]

    @staticmethod
    def _group(name: str, policy: str) -> dict[str, Any]:
        return {"id": f"id-{name}-{policy}", "name": name, "policies": [policy], "members": []}

    def list(self, _service: str, _path: str, _key: str) -> list[dict[str, Any]]:
        return self.groups

    def post(self, _service: str, _path: str, body: dict[str, Any]) -> Any:
        wanted = body["server_group"]
        self.groups.append(self._group(wanted["name"], wanted["policies"][0]))
        return {"server_group": self.groups[-1]}

    def delete(self, _service: str, path: str) -> None:
        self.groups = [g for g in self.groups if not path.endswith(g["id"])]


def _on(monkeypatch: pytest.MonkeyPatch, nova: Nova) -> CreateServerGroup:
    monkeypatch.setattr(groups, "cloud_of", lambda _args: nova)
    return CreateServerGroup()


def test_made_found_again_and_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    nova, ctx = Nova(), Hands({})
    action = _on(monkeypatch, nova)
    assert action.probe(ctx, ARGS) is None
    made = action.do(ctx, ARGS)
    # A worker that died right after it has asked finds its own.
    assert action.probe(ctx, ARGS) == made == {"group_id": nova.groups[0]["id"], "ours": True}
    assert group_id({"cloud": "c", "server_group": ARGS}) == made["group_id"]
    for _again in range(2):
        action.undo(ctx, ARGS, made)
        assert nova.groups == []
    with pytest.raises(StepFailed, match="is gone"):
        group_id({"cloud": "c", "server_group": ARGS})


def test_somebody_elses_is_joined_and_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    nova, ctx = Nova("apart"), Hands({})
    action = _on(monkeypatch, nova)
    found = action.probe(ctx, ARGS)
    assert found == {"group_id": nova.groups[0]["id"], "ours": False}
    action.undo(ctx, ARGS, found)
    assert len(nova.groups) == 1


def test_one_with_members_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    nova, ctx = Nova(), Hands({})
    action = _on(monkeypatch, nova)
    made = action.do(ctx, ARGS)
    nova.groups[0]["members"] = ["a server of a later wave"]
    action.undo(ctx, ARGS, made)
    assert len(nova.groups) == 1


def test_another_policy_is_another_group(monkeypatch: pytest.MonkeyPatch) -> None:
    nova = Nova("apart", policy="affinity")
    assert _on(monkeypatch, nova).probe(Hands({}), ARGS) is None
