"""Plantings of the platform's health: what they are made of, that each has its undoing, and how a finding is judged."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from blue_wizard.inspect.model import Severity, checks
from lab.faults import Change, journal
from lab.health import LOOK, Planting, changes, load, named
from lab.health.ground import COMPUTES, Ground
from lab.health.hosts import certificate
from lab.health.verdicts import judge, table
from lab.run import LabError
from lab.site import HOSTS

NAMES = ("server", "project", "volume", "image", "spare", "port", "mac", "network", "router", "external", "backend",
         "demo", "segment", "provider_cmp1", "provider_cmp2")  # fmt: skip
KNOWN = {name: f"the-{name}" for name in NAMES}
KNOWN |= {"host": "cmp1", "segment": "77"}


def answers(statement: str) -> str:
    """One row with as many columns as were asked for; the columns of a table where they are asked for."""
    if "information_schema.columns" in statement:
        return "one\ntwo\n"
    return "\t".join(["31"] * max(1, statement.count("hex("))) + "\n"


GROUND = Ground("11111111-2222-5333-8444-555555555555", KNOWN, lambda _host, _script: "false", answers)


def ground(planting: Planting) -> Ground:
    """The ground of a planting, with everything there."""
    return replace(GROUND, id=planting.id)


@pytest.mark.parametrize("name", sorted(load()))
def test_a_planting_is_whole(name: str) -> None:
    planting = named(name)
    known = {c.id for c in checks()}
    assert planting.check in known
    assert planting.severity in {s.value for s in Severity}
    assert planting.restores in {"exact", "shape", "function"}
    here = ground(planting)
    assert "{" not in planting.object.format(**here.names())
    assert all(here[need] for need in planting.needs)
    made = planting.plan(here)
    assert made
    for change in made:
        assert change.place in {"api", "sql", "machine", *HOSTS}
        assert change.undo, "what has no undoing is never healed"
        # A script is run on a host; only those for hosts are of one already.
        if change.place not in {"machine", *HOSTS}:
            assert bool(change.settle_on) == bool(change.settled or change.healed)
        if change.place == "api":
            json.loads(change.do), json.loads(change.undo)


def test_there_are_enough_of_every_kind() -> None:
    plantings = load().values()
    assert len(plantings) >= 40
    assert len({p.check for p in plantings}) >= 40
    assert {p.severity for p in plantings} == {"critical", "warning", "info"}
    assert {p.family for p in plantings} == {"ceph", "compute", "hosts", "infra", "network", "placement", "storage"}
    assert sum(p.check.startswith("cross.") for p in plantings) >= 20
    with pytest.raises(LabError, match="there is no fault nothing"):
        named("nothing")


def test_no_fault_of_the_network_has_the_name_of_a_planting() -> None:
    from lab import faults

    assert not set(faults.load()) & set(load())


def test_what_is_made_up_has_the_same_id_each_time_and_another_for_each() -> None:
    ids = [p.id for p in load().values()]
    assert len(set(ids)) == len(ids)
    assert named("ghost-domain").id == named("ghost-domain").id


def test_the_other_host_is_the_one_where_the_server_is_not() -> None:
    names = GROUND.names()
    assert {names["host"], names["other"]} == set(COMPUTES)
    assert (names["provider"], names["other_provider"]) == ("the-provider_cmp1", "the-provider_cmp2")


def test_without_a_stage_it_says_how_to_make_one() -> None:
    with pytest.raises(LabError, match="fault stage"):
        Ground("x", {})["server"]


def test_a_cell_gets_back_what_it_had_byte_by_byte() -> None:
    asked = {"hex(cast(`vm_state` as char))": "616374697665\tNULL\n"}
    here = replace(GROUND, ask=lambda s: next(v for k, v in asked.items() if k in s))
    change = changes.cells(here, "nova.instances", "uuid='a'", vm_state="'error'", task_state="'x'")
    assert change.do == "update nova.instances set `vm_state`='error', `task_state`='x' where uuid='a';"
    assert "`vm_state`=convert(unhex('616374697665') using utf8), `task_state`=NULL where" in change.undo


@pytest.mark.parametrize("rows", ["", "31\n32\n"])
def test_a_cell_must_be_one(rows: str) -> None:
    with pytest.raises(LabError, match="rows where"):
        changes.cells(replace(GROUND, ask=lambda _: rows), "t.t", "1", a="1")


def test_rows_come_back_once_only() -> None:
    change = changes.rows_gone(GROUND, "neutron.x", "id=1")
    assert change.do == "delete from neutron.x where id=1;"
    assert change.undo.startswith("insert ignore into neutron.x set `one`=convert(unhex('31')")
    empty = replace(GROUND, ask=lambda s: "one\n" if "columns" in s else "")
    with pytest.raises(LabError, match="has no rows"):
        changes.rows_gone(empty, "neutron.x", "id=1")


def test_a_row_that_was_left_half_inserted_is_no_hindrance() -> None:
    change = changes.inserted("a.b", "id='x'", id="'x'")
    assert change.do == "delete from a.b where id='x'; insert into a.b set `id`='x';"
    assert change.undo == "delete from a.b where id='x';"


def test_certificates_end_when_they_should() -> None:
    from datetime import UTC, datetime

    from cryptography import x509

    for days in (-1, 20):
        left = x509.load_pem_x509_certificate(certificate(days).encode()).not_valid_after_utc - datetime.now(UTC)
        assert round(left.total_seconds() / 86400) == days


def test_it_is_healed_by_what_stands_in_its_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []
    dumped: list[str] = []

    def dumps() -> dict[str, str]:
        dumped.append("health")
        return {"rows": "as ever"}

    monkeypatch.setattr(journal, "FOLDER", tmp_path)
    monkeypatch.setattr(journal, "_run", lambda place, what: ran.append(f"{place}: {what}"))
    monkeypatch.setattr("lab.health.dumps.dumps", dumps)
    journal.plant("x", lambda: [Change("sql", "do", "undo")], {"check": "a.b"}, restores="exact", look=LOOK)
    record = json.loads((tmp_path / "x.json").read_text())
    assert (record["check"], record["look"], record["before"]) == ("a.b", LOOK, {"rows": "as ever"})
    assert journal.heal() == ["x"]
    assert ran == ["sql: do", "sql: undo"]
    assert dumped == ["health", "health"]


def _document(**finding: Any) -> dict[str, Any]:
    made = {"check": "ceph.flags", "object": "noout", "severity": "warning", **finding}
    return {"findings": [made], "checks": [{"id": "ceph.flags", "unknown": ["no answer"]}]}


@pytest.mark.parametrize(
    ("finding", "right"),
    [({}, True), ({"object": "nodown"}, False), ({"severity": "info"}, False), ({"check": "ceph.health"}, False)],
)
def test_a_finding_is_judged_by_check_object_and_severity(finding: dict[str, Any], right: bool) -> None:
    assert judge(named("noout-left"), GROUND, _document(**finding), seconds=1).found is right


def test_the_table_has_a_line_for_each_and_tells_what_was_said_instead() -> None:
    planting = named("noout-left")
    rows = [judge(planting, GROUND, _document(**f), seconds=s) for f, s in (({}, 1.0), ({"check": "x"}, 3.0))]
    lines = table(rows).splitlines()
    assert lines[1].split() == ["ok", "noout-left", "ceph.flags", "noout", "warning", "1.0"]
    assert lines[2].startswith("MISSED")
    assert "no answer" in lines[2]
    assert lines[-1] == "1 of 2 found, median 3.0 s, slowest 3.0 s"
