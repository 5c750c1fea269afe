"""A compute host is emptied, worked on and given back, with servers on it that answer pings all the time."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.parts.infra import sql
from lab.site import STATE

from .conftest import ROOT, Lab, until
from .host_cloud import HOST, OTHER, Cloud, Listener, migrations, step_of

pytestmark = pytest.mark.lab
INSTANCES = STATE / "nova" / "instances"


def _enter(lab: Lab, *more: str, code: int | None = 0) -> Any:
    return lab.json("host", "enter", HOST, "--reason", "reboot", "--yes", *more, code=code)


def _job(lab: Lab) -> str:
    return str(lab.json("job", "list")[-1]["id"])


@pytest.mark.drawn("host emptied")
@pytest.mark.failure("b23", "b26")
def test_enter_and_leave(lab: Lab, cloud: Cloud) -> None:
    web, db, off = cloud.boot("ht-web", "ht-db", "ht-off")
    cloud.act(off, "stop_server", "SHUTOFF")
    listener = Listener(cloud, web)
    planned = lab.json("host", "enter", HOST, "--reason", "reboot", "--plan")
    verbs = {s["name"]: (s["verb"], s["destination"]) for s in planned["servers"]}
    assert verbs["ht-web"] == verbs["ht-db"] == ("live", OTHER)
    assert verbs["ht-off"] == ("cold", OTHER)
    assert planned["osds"] == [2]
    assert planned["osds_may_stop"] is True
    cloud.in_service()

    view = _enter(lab)

    report = view["report"]
    assert report["safe"] is True
    # The run is what the plan said.
    assert {s["name"]: (s["verb"], s["destination"]) for s in report["servers"]} == verbs
    assert [cloud.place(s) for s in (web, db, off)] == [(OTHER, "ACTIVE"), (OTHER, "ACTIVE"), (OTHER, "SHUTOFF")]
    assert cloud.domains(HOST) == set()
    assert {web.id, db.id, off.id} <= cloud.domains(OTHER)
    service = cloud.service()
    assert (service.status, service.disabled_reason) == ("disabled", f"blue-wizard job={view['job']} reason=reboot")
    assert cloud.flags() == {HOST: ["noout"]}
    probed = {s["name"]: s["probe"] for s in report["servers"]}
    (figures,) = probed["ht-web"].values()
    assert figures["sent"] > 0
    assert cloud.answers(web)
    assert cloud.answers(db)
    (row,) = [r for r in lab.json("host", "status") if r["host"] == HOST]
    assert (row["state"], row["job"], row["servers"]) == ("maintenance", view["job"], 0)
    # It is in maintenance, and the other one is the last.
    assert view["job"] in lab.bw("host", "enter", HOST, "--reason", "reboot", "--yes", code=3).stderr
    assert "last" in lab.bw("host", "enter", OTHER, "--reason", "reboot", "--yes", code=3).stderr
    assert "rebooted" in lab.bw("host", "leave", HOST, "--rebooted", "--wait", "3", "--yes", code=5).stdout

    left = lab.json("host", "leave", HOST, "--canary", web.id, "--yes")

    sent, lost, silence = listener.stop()
    print(f"ht-web: {lost} of {sent} pings lost, longest silence {silence:.1f} s")
    print(json.dumps([{k: s[k] for k in ("name", "verb", "took_s", "probe")} for s in report["servers"]], indent=1))
    assert left["report"]["in_service"] is True
    assert [cloud.place(s) for s in (web, db, off)] == [(HOST, "ACTIVE"), (HOST, "ACTIVE"), (HOST, "SHUTOFF")]
    cloud.in_service()
    assert lab.json("job", "claims") == []
    # Our own eyes: five moves, and it was never away for long.
    assert sent > 100
    assert lost / sent < 0.2
    assert silence < 30


@pytest.mark.slow
def test_rolled_back_after_it_was_done(lab: Lab, cloud: Cloud) -> None:
    web, resting = cloud.boot("ht-web", "ht-rest")
    job = _enter(lab, "--stop", "ht-rest", "--parallel", "2")["job"]
    assert [cloud.place(s) for s in (web, resting)] == [(OTHER, "ACTIVE"), (HOST, "SHUTOFF")]
    lab.bw("job", "rollback", job, "--yes")
    assert [cloud.place(s) for s in (web, resting)] == [(HOST, "ACTIVE"), (HOST, "ACTIVE")]
    cloud.in_service()
    assert lab.json("job", "claims") == []
    cloud.hear(web)


def _suspended(cloud: Cloud, server: Any) -> None:
    cloud.act(server, "suspend_server", "SUSPENDED")


def _rescued(cloud: Cloud, server: Any) -> None:
    cloud.act(server, "rescue_server", "RESCUE")


def _locked(cloud: Cloud, server: Any) -> None:
    cloud.sdk.compute.lock_server(server.id)


@pytest.mark.failure("b19", "b20")
@pytest.mark.parametrize(
    ("bring", "words"),
    [
        pytest.param(_suspended, "SUSPENDED", id="suspended", marks=pytest.mark.slow),
        pytest.param(_rescued, "RESCUE", id="rescued", marks=pytest.mark.slow),
        pytest.param(_locked, "locked", id="locked", marks=pytest.mark.slow),
    ],
)
def test_a_server_that_can_not_move_refuses_the_host(
    lab: Lab, cloud: Cloud, bring: Callable[[Cloud, Any], None], words: str
) -> None:
    (odd,) = cloud.boot("ht-odd", wait=False)
    bring(cloud, odd)
    refused = lab.bw("host", "enter", HOST, "--reason", "upgrade", "--yes", code=3)
    assert "ht-odd" in refused.stderr
    assert words in refused.stderr
    planned = lab.json("host", "enter", HOST, "--reason", "upgrade", "--plan", code=3)
    assert [s["verb"] for s in planned["servers"] if s["name"] == "ht-odd"] == ["blocked"]
    cloud.in_service()
    with_consent = lab.json("host", "enter", HOST, "--reason", "upgrade", "--plan", "--leave", "ht-odd")
    assert with_consent["ready"] is True


@pytest.mark.slow
def test_a_paused_server_moves_paused(lab: Lab, cloud: Cloud) -> None:
    (still,) = cloud.boot("ht-still")
    cloud.act(still, "pause_server", "PAUSED")
    _enter(lab)
    assert cloud.place(still) == (OTHER, "PAUSED")
    lab.bw("host", "leave", HOST, "--yes")
    assert cloud.place(still) == (HOST, "PAUSED")
    cloud.in_service()


@pytest.mark.failure("b33")
def test_names_are_exact(lab: Lab, cloud: Cloud) -> None:
    for name in ("cmp", "cmp11", "CMP1", "nobody"):
        lab.bw("host", "enter", name, "--reason", "reboot", "--yes", code=2)
        lab.bw("host", "leave", name, "--yes", code=2)
    lab.bw("host", "leave", HOST, "--yes", code=3)
    cloud.in_service()


@pytest.mark.slow
def test_a_host_that_somebody_else_has_disabled(lab: Lab, cloud: Cloud) -> None:
    (web,) = cloud.boot("ht-web")
    cloud.disable(HOST, "ticket 4711")
    assert "ticket 4711" in lab.bw("host", "enter", HOST, "--reason", "reboot", "--yes", code=3).stderr
    job = _enter(lab, "--keep-disabled")["job"]
    assert cloud.place(web) == (OTHER, "ACTIVE")
    assert cloud.service().disabled_reason == "ticket 4711"
    lab.bw("job", "rollback", job, "--yes")
    # Even to a host that is closed for others it comes back, and their reason stays.
    assert cloud.place(web) == (HOST, "ACTIVE")
    assert (cloud.service().status, cloud.service().disabled_reason) == ("disabled", "ticket 4711")
    assert cloud.flags().get(HOST, []) == []


@pytest.mark.failure("b26")
@pytest.mark.slow
def test_the_last_host(lab: Lab, cloud: Cloud) -> None:
    cloud.disable(OTHER, "broken fan")
    assert "last" in lab.bw("host", "enter", HOST, "--reason", "hardware", "--yes", code=3).stderr
    assert cloud.service(OTHER).disabled_reason == "broken fan"
    cloud.in_service()


@pytest.mark.failure("b2")
@pytest.mark.slow
def test_the_destination_is_closed_in_the_middle(lab: Lab, cloud: Cloud) -> None:
    one, two = cloud.boot("ht-one", "ht-two")
    job = lab.json("host", "enter", HOST, "--reason", "reboot", "--yes", "--detach")["job"]

    def first_has_gone() -> bool:
        states = [s["state"] for s in lab.json("job", "show", job)["steps"] if s["id"].startswith("move.")]
        return states[0] in {"running", "done"}

    until(first_has_gone, "the first move to begin")
    cloud.disable(OTHER, "somebody needs it")
    ended = lab.json("job", "watch", job, code=5)
    assert ended["state"] == "failed"
    assert "No valid host" in ended["error"]
    print(ended["error"])
    assert [cloud.place(s) for s in (one, two)] == [(HOST, "ACTIVE"), (HOST, "ACTIVE")]
    cloud.in_service()
    assert cloud.service(OTHER).disabled_reason == "somebody needs it"


@pytest.mark.failure("b29")
@pytest.mark.slow
def test_cancelled_in_the_middle(lab: Lab, cloud: Cloud) -> None:
    one, two = cloud.boot("ht-one", "ht-two")
    job = lab.json("host", "enter", HOST, "--reason", "reboot", "--yes", "--detach")["job"]
    until(lambda: step_of(lab, job, "move.")["state"] == "running", "the first move to begin")
    lab.bw("job", "cancel", job, code=130)
    assert [cloud.place(s) for s in (one, two)] == [(HOST, "ACTIVE"), (HOST, "ACTIVE")]
    cloud.in_service()
    cloud.hear(one)


@pytest.mark.failure("b17")
@pytest.mark.slow
def test_its_owner_deletes_a_server_in_the_middle(lab: Lab, cloud: Cloud) -> None:
    cloud.boot("ht-one", "ht-two")
    planned = [s["name"] for s in lab.json("host", "enter", HOST, "--reason", "reboot", "--plan")["servers"]]
    # The last one in the plan goes while the first one moves.
    last = [n for n in planned if n.startswith("ht-")][-1]
    job = lab.json("host", "enter", HOST, "--reason", "reboot", "--yes", "--detach")["job"]
    until(lambda: step_of(lab, job, "move.")["state"] == "running", "the first move to begin")
    cloud.sdk.compute.delete_server(cloud.sdk.compute.find_server(last).id)
    view = lab.json("job", "watch", job)
    assert view["report"]["safe"] is True
    assert [s["note"] for s in view["report"]["servers"] if s["name"] == last] != [""]
    lab.bw("host", "leave", HOST, "--yes")
    cloud.in_service()


def _dies(cloud: Cloud, server: Any) -> None:
    """The host loses its power, as far as one server and those who ask the host can tell."""
    cloud.lab.on(HOST, "virsh", "-c", "qemu:///system", "destroy", server.id)
    for daemon in ("nova-compute", "sshd"):
        cloud.lab.on(HOST, "sh", "-c", f"kill -9 $(cat /run/lab/{daemon}.pid)")
    until(lambda: cloud.service().state == "down", "nova-compute to be seen dead")


@pytest.mark.slow
def test_a_dead_host(lab: Lab, cloud: Cloud) -> None:
    (web,) = cloud.boot("ht-web")
    stay = [s.id for s in cloud.sdk.compute.servers(all_projects=True, host=HOST) if s.id != web.id]
    enter = ["host", "enter", HOST, "--reason", "hardware", *(x for s in stay for x in ("--leave", s))]
    _dies(cloud, web)
    try:
        planned = lab.json(*enter, "--plan", code=3)
        assert {s["name"]: s["verb"] for s in planned["servers"]}["ht-web"] == "evacuate"
        assert "--evacuate" in lab.bw(*enter, "--yes", code=3).stderr
        # A yes is not enough.
        job = lab.json(*enter, "--evacuate", "--yes", code=4)["job"]
        assert lab.json("job", "answer", job, "yes", code=5)["state"] == "failed"
        cloud.in_service()
        assert cloud.place(web)[0] == HOST
        job = lab.json(*enter, "--evacuate", "--yes", code=4)["job"]
        assert lab.json("job", "answer", job, HOST)["state"] == "done"
        assert cloud.place(web) == (OTHER, "ACTIVE")
        cloud.hear(web)
    finally:
        # The lab waits for a nova-compute that is up, and that is what leaving lets it be.
        up = subprocess.Popen([str(ROOT / "lab" / "lab"), "up"])
    lab.bw("host", "leave", HOST, "--wait", "180", "--yes")
    assert up.wait(timeout=300) == 0
    cloud.in_service()
    assert cloud.service().state == "up"
    assert cloud.place(web) == (OTHER, "ACTIVE")
    until(lambda: web.id not in cloud.domains(HOST), "the old guest of ht-web to be cleaned up")


@pytest.mark.slow
def test_a_campaign_over_both_hosts(lab: Lab, cloud: Cloud, tmp_path: Path) -> None:
    web, db = cloud.boot("ht-web", "ht-db")
    seen = tmp_path / "seen"
    # The lab's hosts share this machine's files: the command tells which host it ran on, one after the other.
    planned = lab.json(
        "host", "campaign", HOST, OTHER, "--reason", "upgrade", "--run", f"sh -c 'hostname >> {seen}'", "--plan"
    )
    assert [c["target"] for c in planned["children"]] == [HOST, OTHER]
    assert planned["forecast_s"] > 0

    view = lab.json(
        "host", "campaign", HOST, OTHER, "--reason", "upgrade", "--run", f"sh -c 'hostname >> {seen}'", "--yes"
    )

    assert seen.read_text().split() == [HOST, OTHER]
    hosts = view["report"]["hosts"]
    print(json.dumps([{k: h[k] for k in ("host", "state", "took_s")} for h in hosts]))
    assert [(h["state"], h["in_service"]) for h in hosts] == [("done", True), ("done", True)]
    # The second host was emptied last, so all are on the first one; none was stopped.
    assert [cloud.place(s) for s in (web, db)] == [(HOST, "ACTIVE"), (HOST, "ACTIVE")]
    cloud.hear(web, db)
    cloud.in_service()
    assert cloud.service(OTHER).status == "enabled"
    assert lab.json("job", "claims") == []


@pytest.mark.slow
def test_a_campaign_stops_at_the_first_failure(lab: Lab, cloud: Cloud) -> None:
    (web,) = cloud.boot("ht-web")
    view = lab.json("host", "campaign", HOST, OTHER, "--reason", "upgrade", "--run", "false", "--yes", code=5)
    first, second = view["report"]["hosts"]
    assert first["state"] == second["state"] == "failed"
    assert HOST in second["error"]
    assert second["servers"] == []
    assert cloud.place(web) == (HOST, "ACTIVE")
    cloud.in_service()
    assert cloud.service(OTHER).status == "enabled"


@pytest.fixture
def _no_good_end() -> Iterator[None]:
    """Nova's database refuses to write that a migration is complete, when its guest has long gone over."""
    sql(
        "DELIMITER //\n"
        "CREATE TRIGGER nova.no_good_end BEFORE UPDATE ON nova.migrations FOR EACH ROW "
        "IF NEW.status = 'completed' THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no'; END IF //"
    )
    yield
    sql("DROP TRIGGER nova.no_good_end")


@pytest.mark.drawn("host emptied")
@pytest.mark.failure("b8")
@pytest.mark.usefixtures("_no_good_end")
def test_nova_calls_a_server_broken_that_has_gone_over(lab: Lab, cloud: Cloud) -> None:
    (web,) = cloud.boot("ht-web")
    listener = Listener(cloud, web)
    view = _enter(lab)
    _sent, _lost, silence = listener.stop()
    (record,) = migrations(cloud, web)
    assert record["status"] == "error"
    assert view["report"]["safe"] is True
    told = {s["name"]: s for s in view["report"]["servers"]}["ht-web"]
    assert told["mended"] is True
    assert told["why"]
    assert cloud.place(web) == (OTHER, "ACTIVE")
    assert cloud.domains(HOST) == set()
    assert silence < 30
    assert "reset state of server" in lab.bw("job", "log", view["job"]).stdout
    # Where Nova fails earlier than here, the server's folder stays on the host that it has left.
    lab.on(HOST, "sh", "-c", f"mkdir -p {INSTANCES}/{web.id} && echo old > {INSTANCES}/{web.id}/disk")
    lab.bw("job", "rollback", view["job"], "--yes")
    assert "old folder of disks" in lab.bw("job", "log", view["job"]).stdout
    assert cloud.place(web) == (HOST, "ACTIVE")
    cloud.hear(web)
    cloud.in_service()


STEPS = ("cordon", "settle", "start", "move", "cold", "empty", "quiet")


@pytest.mark.failure("b27")
@pytest.mark.drawn("host emptied")
@pytest.mark.parametrize("end", ["resume", "rollback"])
@pytest.mark.parametrize("phase", ["before", "during", "after"])
@pytest.mark.parametrize("step", STEPS)
def test_killed(lab: Lab, cloud: Cloud, tmp_path: Path, step: str, phase: str, end: str) -> None:
    web, off = cloud.boot("ht-web", "ht-off", wait=False)
    cloud.act(off, "stop_server", "SHUTOFF")
    marker = tmp_path / "killed"
    id_ = {"start": f"start.{web.id}", "move": f"move.{web.id}", "cold": f"cold.{off.id}"}.get(step, step)
    lab.extra = {
        "BLUE_WIZARD_PLUGINS": "killer",
        "PYTHONPATH": str(ROOT / "tests" / "crash"),
        "BW_KILL": f"{id_}:{phase}:{marker}",
    }

    died = lab.bw("host", "enter", HOST, "--reason", "reboot", "--yes", code=4)

    assert marker.exists(), "the worker was not killed"
    job = _job(lab)
    assert f"job resume {job}" in died.stderr
    before = {m["id"] for m in migrations(cloud, web)}
    if end == "resume":
        view = lab.json("job", "resume", job)
        assert (view["state"], view["report"]["safe"]) == ("done", True)
        assert [cloud.place(s) for s in (web, off)] == [(OTHER, "ACTIVE"), (OTHER, "SHUTOFF")]
        # One migration each: what was in flight was adopted.
        assert [len(migrations(cloud, s)) for s in (web, off)] == [1, 1]
        assert before <= {m["id"] for m in migrations(cloud, web)}
        lab.bw("host", "leave", HOST, "--yes")
    else:
        lab.bw("job", "rollback", job, "--yes")
    assert [cloud.place(s) for s in (web, off)] == [(HOST, "ACTIVE"), (HOST, "SHUTOFF")]
    cloud.in_service()
    assert lab.json("job", "claims") == []
    assert {web.id, off.id} <= cloud.domains(HOST)
    assert not {web.id, off.id} & cloud.domains(OTHER)
