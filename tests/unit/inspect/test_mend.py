"""What an inspection found, put right by a job: what is planned, what is asked again, and how it is taken back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from blue_wizard import config
from blue_wizard.config import CephAccess
from blue_wizard.errors import InputError, Refused, StepFailed
from blue_wizard.inspect.mend import plan as mend
from blue_wizard.inspect.mend.allocation import DeleteAllocation
from blue_wizard.inspect.mend.domain import RemoveDomain
from blue_wizard.inspect.mend.image import TrashImage
from blue_wizard.inspect.mend.operation import modules
from blue_wizard.inspect.model import Check, Finding, checks
from blue_wizard.inspect.runner import Outcome, Status
from blue_wizard.jobs import actions
from blue_wizard.jobs.model import Risk
from blue_wizard.reach import ceph, computes, openstack, ssh

A = "aaaaaaaa-0000-4000-8000-000000000001"


class Memory:
    """A context that remembers, as the ledger does over crashes."""

    job_id, step_id = "j", "s"

    def __init__(self) -> None:
        self.notes: dict[str, Any] = {}
        self.effects: list[str] = []

    def outcome(self, step_id: str) -> Any:
        raise KeyError(step_id)

    def answer(self) -> None:
        return None

    def note(self, key: str, value: Any) -> None:
        self.notes[key] = value

    def noted(self, key: str) -> Any:
        return self.notes.get(key)

    def progress(self, done: float, total: float, *, unit: str = "B", note: str = "") -> None:
        pass

    def event(self, kind: str, message: str, **data: Any) -> None:
        self.effects.append(message)

    def check_stop(self) -> None:
        pass

    def pause_point(self, hold: Any = None) -> None:
        pass


@dataclass
class World:
    """A cloud, a host and a pool with just what mending touches."""

    servers: set[str] = field(default_factory=set)
    migrations: list[dict[str, Any]] = field(default_factory=list)
    volumes: list[dict[str, Any]] = field(default_factory=list)
    held: dict[str, Any] = field(default_factory=dict)
    domains: dict[str, str] = field(default_factory=dict)
    images: set[str] = field(default_factory=set)
    trashed: dict[str, str] = field(default_factory=dict)
    users: list[str] = field(default_factory=list)
    defined: list[str] = field(default_factory=list)

    # The cloud.
    def microversion(self, service: str, at_most: str) -> str:
        return at_most

    def get(self, service: str, path: str, *, missing_ok: bool = False, microversion: str | None = None) -> Any:
        name = path.rpartition("/")[2]
        if path.startswith("/servers/"):
            assert microversion == "2.69"
            return {"server": {}} if name in self.servers else None
        assert microversion == "1.28"
        return {"allocations": dict(self.held), "project_id": "p", "user_id": "u", "consumer_generation": 3}

    def list(self, service: str, path: str, key: str) -> list[dict[str, Any]]:
        if key == "volumes":
            return self.volumes
        return [m for m in self.migrations if f"status={m['status']}" in path]

    def delete(self, service: str, path: str) -> None:
        self.held = {}

    def put(self, service: str, path: str, body: Any, *, microversion: str | None = None) -> None:
        assert body["consumer_generation"] is None
        self.held = dict(body["allocations"])

    # The host.
    def check(self, argv: list[str], **_: Any) -> str:
        verb, uuid = argv[argv.index("qemu:///system") + 1], argv[-1]
        if verb == "domstate":
            return f"{self.domains[uuid]}\n"
        if verb == "dumpxml":
            return f"<domain>{uuid}</domain>"
        if verb == "destroy":
            self.domains[uuid] = "shut off"
        elif verb == "undefine":
            del self.domains[uuid]
        elif verb == "start":
            self.domains[uuid] = "running"
        return ""

    def run(self, argv: list[str], *, stdin: str, **_: Any) -> Any:
        self.defined.append(stdin)
        self.domains[A] = "shut off"
        return type("Result", (), {"status": 0})()

    # The pool.
    def size(self, image: str) -> int | None:
        return 1 if image in self.images else None

    def watchers(self, image: str) -> list[str]:
        return self.users

    def image_id(self, image: str) -> str:
        return f"id-of-{image}"

    def to_trash(self, image: str) -> None:
        self.images.discard(image)
        self.trashed[self.image_id(image)] = image

    def trash(self) -> dict[str, str]:
        return self.trashed

    def restore(self, id_: str, image: str) -> None:
        del self.trashed[id_]
        self.images.add(image)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> World:
    made = World()

    @contextmanager
    def pool(access: CephAccess) -> Iterator[World]:
        assert access.pool == "volumes"
        yield made

    file = tmp_path / "config.yaml"
    file.write_text("clouds: {lab: {ceph: {pool: other}}}\n")
    monkeypatch.setenv("BLUE_WIZARD_CONFIG", str(file))
    config.load.cache_clear()
    monkeypatch.setattr(openstack, "connect", lambda _name: made)
    monkeypatch.setattr(ssh, "host", lambda _name: made)
    monkeypatch.setattr(computes, "domains", lambda _cloud, _host: dict(made.domains))
    monkeypatch.setattr(ceph, "open_pool", pool)
    return made


DOMAIN = {"cloud": "lab", "host": "cmp1", "uuid": A}
IMAGE = {"cloud": "lab", "pool": "volumes", "image": f"volume-{A}", "server": ""}
ALLOCATION = {"cloud": "lab", "consumer": A}


@pytest.mark.parametrize("state", ["running", "shut off"])
def test_a_domain_goes_and_comes_back_as_it_was(world: World, state: str) -> None:
    world.domains = {A: state}
    action, ctx = RemoveDomain(), Memory()
    assert action.probe(ctx, DOMAIN) is None
    outcome = action.do(ctx, DOMAIN)
    assert world.domains == {}
    assert outcome == {"xml": f"<domain>{A}</domain>", "ran": state == "running"}
    action.verify(ctx, DOMAIN, outcome)
    assert action.probe(ctx, DOMAIN) == outcome
    action.undo(ctx, DOMAIN, outcome)
    assert world.domains == {A: state}
    assert world.defined == [f"<domain>{A}</domain>"]
    # Once more, as after a crash: nothing more happens.
    action.undo(ctx, DOMAIN, outcome)
    assert len(world.defined) == 1


def test_a_domain_that_was_killed_under_the_first_attempt_is_still_known_to_have_run(world: World) -> None:
    world.domains = {A: "running"}
    ctx = Memory()
    RemoveDomain().do(ctx, DOMAIN)
    world.domains = {A: "shut off"}
    assert RemoveDomain().do(ctx, DOMAIN)["ran"] is True


@pytest.mark.parametrize("action", [RemoveDomain(), DeleteAllocation()])
def test_nothing_of_a_server_that_is_there_is_touched(world: World, action: actions.Action) -> None:
    world.servers, world.domains, world.held = {A}, {A: "running"}, {"rp": {"resources": {"VCPU": 1}}}
    ctx = Memory()
    with pytest.raises(StepFailed, match="is there"):
        action.do(ctx, {**DOMAIN, **ALLOCATION})
    assert (world.domains, ctx.effects) == ({A: "running"}, [])
    action.undo(ctx, {**DOMAIN, **ALLOCATION}, None)
    assert ctx.effects == []


def test_an_image_goes_into_the_trash_and_comes_back(world: World) -> None:
    world.images = {IMAGE["image"]}
    action, ctx = TrashImage(), Memory()
    assert action.probe(ctx, IMAGE) is None
    outcome = action.do(ctx, IMAGE)
    assert world.images == set()
    action.verify(ctx, IMAGE, outcome)
    assert action.probe(ctx, IMAGE) == outcome
    assert action.by_hand(ctx, IMAGE, outcome) == f"rbd trash restore volumes/id-of-volume-{A}"
    action.undo(ctx, IMAGE, outcome)
    assert world.images == {IMAGE["image"]}
    action.undo(ctx, IMAGE, outcome)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"users": ["10.0.0.1:0/1"]}, "is open"),
        ({"volumes": [{"id": A, "status": "available", "size": 1}]}, "may lie in"),
        # A volume that was migrated lies under the name of its copy.
        ({"volumes": [{"id": "v", "status": "in-use", "size": 1, "os-vol-mig-status-attr:name_id": A}]}, "may lie in"),
        ({"volumes": [{"id": "v", "status": "in-use", "size": 1, "migration_status": "migrating"}]}, "may lie in"),
    ],
)
def test_an_image_that_somebody_may_need_stays(world: World, change: dict[str, Any], why: str) -> None:
    world.images = {IMAGE["image"]}
    for name, value in change.items():
        setattr(world, name, value)
    with pytest.raises(StepFailed, match=why):
        TrashImage().do(Memory(), IMAGE)
    assert world.images == {IMAGE["image"]}


def test_the_disk_of_a_server_is_asked_of_nova(world: World) -> None:
    args = {**IMAGE, "image": f"{A}_disk", "server": A}
    world.images, world.servers = {args["image"]}, {A}
    with pytest.raises(StepFailed, match="is there"):
        TrashImage().do(Memory(), args)
    world.servers = set()
    assert TrashImage().do(Memory(), args) == {"trash": f"id-of-{A}_disk"}


def test_room_is_given_back_and_held_again(world: World) -> None:
    world.held = {"rp": {"resources": {"VCPU": 1}, "generation": 7}}
    action, ctx = DeleteAllocation(), Memory()
    assert action.probe(ctx, ALLOCATION) is None
    outcome = action.do(ctx, ALLOCATION)
    assert world.held == {}
    action.verify(ctx, ALLOCATION, outcome)
    assert action.probe(ctx, ALLOCATION) == outcome
    action.undo(ctx, ALLOCATION, outcome)
    assert world.held == {"rp": {"resources": {"VCPU": 1}}}
    action.undo(ctx, ALLOCATION, outcome)


def test_the_room_of_a_migration_that_waits_to_be_confirmed_stays(world: World) -> None:
    world.held = {"rp": {"resources": {"VCPU": 1}}}
    world.migrations = [{"uuid": A, "status": "finished"}]
    with pytest.raises(StepFailed, match="Migration"):
        DeleteAllocation().do(Memory(), ALLOCATION)
    assert world.held


def _check(id_: str) -> Check:
    return next(c for c in checks() if c.id == id_)


def _outcome(id_: str, *findings: Finding, unknown: tuple[str, ...] = ()) -> Outcome:
    return Outcome(_check(id_), Status.FAIL, findings, unknown)


def _image(number: int) -> Finding:
    image = f"volume-{number}"
    return Finding(
        f"volumes/{image}", "{pool}/{image} belongs to no volume of Cinder's.", {"pool": "volumes", "image": image}
    )


def test_a_plan_has_a_step_for_each_finding_in_their_order() -> None:
    id_ = "cross.image-without-volume"
    made = mend.compile_plan(mend.Params("lab", id_), _check(id_), _outcome(id_, _image(2), _image(1)))
    assert [(s.verb, s.args["image"], s.locks) for s in made.steps] == [
        ("mend.image.trash", "volume-1", ("image:volumes/volume-1",)),
        ("mend.image.trash", "volume-2", ("image:volumes/volume-2",)),
    ]
    again = mend.compile_plan(mend.Params("lab", id_), _check(id_), _outcome(id_, _image(1), _image(2)))
    assert again.digest == made.digest
    fewer = mend.compile_plan(mend.Params("lab", id_, "*/volume-1"), _check(id_), _outcome(id_, _image(1), _image(2)))
    assert [s.args["image"] for s in fewer.steps] == ["volume-1"]


def test_domains_and_allocations_are_planned_from_what_was_found() -> None:
    domain = Finding(A, "x", {"domain": "instance-1"}, "cmp1")
    made = mend.compile_plan(
        mend.Params("lab", "cross.orphan-domain"),
        _check("cross.orphan-domain"),
        _outcome("cross.orphan-domain", domain),
    )
    assert dict(made.steps[0].args) == DOMAIN
    assert made.steps[0].risk is Risk.HIGH
    room = Finding(A, "x", {"resources": "1 VCPU"}, "cmp1")
    made = mend.compile_plan(
        mend.Params("lab", "cross.leaked-allocation"),
        _check("cross.leaked-allocation"),
        _outcome("cross.leaked-allocation", room),
    )
    assert dict(made.steps[0].args) == ALLOCATION


def test_too_many_are_refused_and_so_is_nothing() -> None:
    id_ = "cross.image-without-volume"
    many = [_image(n) for n in range(11)]
    with pytest.raises(Refused, match="no more than 10"):
        mend.compile_plan(mend.Params("lab", id_), _check(id_), _outcome(id_, *many))
    assert len(mend.compile_plan(mend.Params("lab", id_, most=11), _check(id_), _outcome(id_, *many)).steps) == 11
    with pytest.raises(Refused, match="finds nothing like") as refusal:
        mend.compile_plan(
            mend.Params("lab", id_, "none"), _check(id_), _outcome(id_, *many, unknown=("Ceph is silent",))
        )
    assert refusal.value.hint == "Ceph is silent"


def test_what_has_no_safe_remedy_is_for_people() -> None:
    with pytest.raises(InputError, match="No job puts right"):
        mend.look(mend.Params("lab", "cross.server-twice"))
    with pytest.raises(InputError, match="There is no check"):
        mend.look(mend.Params("lab", "cross.nothing"))


def test_every_verb_is_registered() -> None:
    assert modules
    for verb in ("mend.domain.remove", "mend.image.trash", "mend.allocation.delete"):
        assert actions.find(verb).verb == verb
    assert set(mend.can_mend()) <= {c.id for c in checks()}
