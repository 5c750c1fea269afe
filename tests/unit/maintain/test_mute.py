"""Masakari and alarms: told when a host goes, told when it is back, and never in somebody else's name."""

from __future__ import annotations

import http.server
import json
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from blue_wizard import config
from blue_wizard.errors import StepFailed
from blue_wizard.maintain import masakari
from blue_wizard.maintain.actions.mute import Alarms, Masakari, UnmuteAlarms, UnmuteMasakari
from blue_wizard.maintain.leave import entered_of
from blue_wizard.maintain.model import Reason, Wishes
from blue_wizard.maintain.plan_enter import Options, compile_plan
from blue_wizard.maintain.plan_leave import Wanted
from blue_wizard.maintain.plan_leave import compile_plan as compile_leave
from blue_wizard.maintain.survey import Allowed, judge
from blue_wizard.reach import alertmanager

from .fakes import Context, Nova, server, site

ARGS = {"cloud": "lab", "host": "cmp1", "segment": "seg1", "id": "m1"}


class WithMasakari(Nova):
    """Masakari's answers, as its API reference has them (v1)."""

    def __init__(self) -> None:
        super().__init__()
        self.watched = {"m1": {"uuid": "m1", "name": "cmp1", "on_maintenance": False}}
        self.sdk = type("Sdk", (), {"service_catalog": [{"type": "instance-ha"}, {"type": "compute"}]})

    def get(self, service: str, path: str, **options: Any) -> Any:
        if service != "instance_ha":
            return super().get(service, path, **options)
        if path == "/segments":
            return {"segments": [{"uuid": "seg0", "name": "other"}, {"uuid": "seg1", "name": "all"}]}
        if m := re.fullmatch(r"/segments/(\w+)/hosts", path):
            return {"hosts": list(self.watched.values()) if m[1] == "seg1" else []}
        found = self.watched.get(path.rpartition("/")[2])
        return {"host": found} if found else None

    def put(self, service: str, path: str, body: Any) -> None:
        assert service == "instance_ha"
        self.calls.append(("PUT", path, dict(body)))
        self.watched[path.rpartition("/")[2]].update(body["host"])


@pytest.mark.failure("b22")
def test_masakari_leaves_alone_what_is_worked_on(use: Callable[[Nova], Nova]) -> None:
    nova, ctx = WithMasakari(), Context()
    use(nova)
    assert masakari.host_of(nova, "cmp1") == ("seg1", "m1")  # type: ignore[arg-type]
    assert masakari.host_of(nova, "cmp") is None  # type: ignore[arg-type]
    assert Masakari().probe(ctx, ARGS) is None
    outcome = Masakari().do(ctx, ARGS)
    Masakari().verify(ctx, ARGS, outcome)
    assert nova.watched["m1"]["on_maintenance"] is True
    assert Masakari().probe(Context(notes=dict(ctx.notes)), ARGS) == {"ours": True}
    later = Context()
    assert UnmuteMasakari().probe(later, ARGS) is None
    UnmuteMasakari().do(later, ARGS)
    assert nova.watched["m1"]["on_maintenance"] is False
    UnmuteMasakari().undo(later, ARGS, None)
    Masakari().undo(ctx, ARGS, outcome)
    assert nova.watched["m1"]["on_maintenance"] is False


@pytest.mark.failure("b22")
def test_a_mark_of_somebody_else_stays_and_a_host_may_be_gone(use: Callable[[Nova], Nova]) -> None:
    nova, ctx = WithMasakari(), Context()
    use(nova)
    nova.watched["m1"]["on_maintenance"] = True
    outcome = Masakari().probe(ctx, ARGS)
    assert outcome == {"ours": False}
    Masakari().undo(ctx, ARGS, outcome)
    assert nova.calls == []
    del nova.watched["m1"]
    assert Masakari().probe(Context(), ARGS) == {"ours": False}


def test_without_masakari_nothing_is_asked() -> None:
    nova = WithMasakari()
    nova.sdk = type("Sdk", (), {"service_catalog": [{"type": "compute"}]})
    assert masakari.host_of(nova, "cmp1") is None  # type: ignore[arg-type]


class _Alertmanager(http.server.BaseHTTPRequestHandler):
    """Alertmanager's silences (api/v2)."""

    silences: dict[str, dict[str, Any]]
    broken: list[str]

    def log_message(self, *_args: Any) -> None:
        pass

    def _say(self, status: int, body: Any) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_GET(self) -> None:
        if self.broken:
            self._say(503, "not ready")
            return
        self._say(200, list(self.silences.values()))

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        id_ = f"silence{len(self.silences)}"
        self.silences[id_] = {**body, "id": id_, "status": {"state": "active"}}
        self._say(200, {"silenceID": id_})

    def do_DELETE(self) -> None:
        found = self.silences.get(self.path.rpartition("/")[2])
        if found is None:
            self._say(404, "not found")
            return
        found["status"]["state"] = "expired"
        self._say(200, {})


@pytest.fixture
def alarms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[_Alertmanager]]:
    handler: Any = type("Handler", (_Alertmanager,), {"silences": {}, "broken": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as served:
        threading.Thread(target=served.serve_forever, daemon=True).start()
        file = tmp_path / "config.yaml"
        url = f"http://127.0.0.1:{served.server_address[1]}"
        file.write_text(yaml.safe_dump({"clouds": {"lab": {"alertmanager": {"url": url}}}}))
        monkeypatch.setenv("BLUE_WIZARD_CONFIG", str(file))
        config.load.cache_clear()
        yield handler
        served.shutdown()


def test_alarms_are_silenced_and_that_ends(alarms: type[_Alertmanager]) -> None:
    args, ctx = {"cloud": "lab", "host": "cmp1"}, Context()
    assert alertmanager.known("lab")
    assert not alertmanager.known("other")
    assert Alarms().probe(ctx, args) is None
    outcome = Alarms().do(ctx, args)
    (made,) = alarms.silences.values()
    (matcher,) = made["matchers"]
    names = {
        n: bool(re.fullmatch(matcher["value"], n)) for n in ("cmp1", "cmp1:9100", "cmp1.example.org:9100", "cmp10")
    }
    assert names == {"cmp1": True, "cmp1:9100": True, "cmp1.example.org:9100": True, "cmp10": False}
    assert made["endsAt"] > made["startsAt"]
    # A killed worker's successor finds it, and no second one is made.
    assert Alarms().probe(Context(), args) == outcome
    later = Context(job_id="h-later")
    UnmuteAlarms().do(later, {**args, "job": ctx.job_id})
    assert made["status"]["state"] == "expired"
    UnmuteAlarms().undo(later, {**args, "job": ctx.job_id}, None)
    assert len(alertmanager.active("lab", f"blue-wizard job={ctx.job_id} host=cmp1")) == 1
    Alarms().undo(ctx, args, outcome)
    assert {s["status"]["state"] for s in alarms.silences.values()} == {"expired"}


def test_a_silence_of_somebody_else_is_not_ours(alarms: type[_Alertmanager]) -> None:
    alertmanager.silence("lab", "cmp1", "ticket 4711", 60)
    Alarms().undo(Context(), {"cloud": "lab", "host": "cmp1"}, None)
    assert alertmanager.active("lab", "ticket 4711") == ["silence0"]
    alarms.broken.append("yes")
    with pytest.raises(StepFailed, match="503"):
        Alarms().probe(Context(), {"cloud": "lab", "host": "cmp1"})


def test_they_stand_in_the_plan_and_in_that_of_leaving() -> None:
    found = judge(site(server(), masakari=("seg1", "m1"), alarms=True), Wishes(), Allowed())
    plan = compile_plan("lab", found, Options(Reason.REBOOT), {"host": "cmp1"})
    assert [s.id for s in plan.steps][:4] == ["masakari", "alarms", "note", "cordon"]
    steps = [
        {"id": s.id, "verb": s.verb, "args": dict(s.args), "state": "done", "outcome": {"ours": True}}
        for s in plan.steps
    ]
    entered = entered_of({"job": "h-aaaaaa", "params": {}, "steps": steps}, "svc-cmp1", "nova")
    leaving = compile_leave("lab", "cmp1", entered, (), (), Wanted(), {})
    assert [s.id for s in leaving.steps] == ["back", "ready", "unmasakari", "unalarms", "uncordon"]
    theirs = [{**s, "outcome": {"ours": False}} if s["id"] == "masakari" else s for s in steps]
    kept = entered_of({"job": "h-aaaaaa", "params": {}, "steps": theirs}, "svc-cmp1", "nova")
    assert [kind for kind, _args in kept.muted] == ["alarms"]
