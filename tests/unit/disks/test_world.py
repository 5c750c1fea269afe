"""Conditions, guards, keyrings and waits against a cluster that answers from memory; and two operators at once."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from blue_wizard.disks import change, keeping, operation, survey, swap, waiting, world
from blue_wizard.disks.layouts import choose
from blue_wizard.disks.world import World
from blue_wizard.errors import InputError, Refused, StepFailed
from blue_wizard.facts.blockdev import Disk, HostDisks, Part
from blue_wizard.facts.ceph import Cluster
from blue_wizard.jobs import client
from blue_wizard.masking import mask
from blue_wizard.reach import ceph_cli
from blue_wizard.reach.ssh import Result

from . import views
from .clusters import CLEAN_SIX, answers, small
from .context import Memory

ARGS: dict[str, Any] = {"cloud": "lab", "host": "stor1", "osd": 3, "disk": "SN-B", "uuid": views.UUID, "rebuild": False}
KEY = "AQBsecretsecretsecretsecretsecretsecret=="


class Cluster_:
    """A `ceph` command that answers from a table; `ran` is what changed something."""

    def __init__(self, **answers: Any) -> None:
        self.answers, self.ran, self.kept = answers, list[str](), ""

    def __call__(self, _cloud: str) -> Cluster_:
        return self

    def argv(self, *words: str) -> list[str]:
        return ["ceph", *words]

    def json(self, *words: str) -> Any:
        return self.answers[" ".join(words)]

    def run(self, *words: str, stdin: str | None = None, timeout_s: float = 60) -> tuple[int, str, str]:
        if words[:2] == ("auth", "get"):
            return (0, f"[osd.3]\n\tkey = {KEY}\n", "") if "key" in self.answers else (2, "", "Error ENOENT: no osd.3")
        if words[:2] == ("config-key", "exists"):
            return (0 if self.kept else 2, "", "")
        self.ran.append(" ".join(words))
        return 0, "", ""

    def check(self, *words: str, stdin: str | None = None, timeout_s: float = 60) -> str:
        self.ran.append(" ".join(words))
        if words[0] == "config-key":
            if words[1] == "get":
                return self.kept
            self.kept = stdin or ""
        return ""


def _dump(*osds: int, state: str = "exists", up: int = 0, in_: int = 0, uuid: str = "new") -> dict[str, Any]:
    return {"osds": [{"osd": n, "state": [state], "up": up, "in": in_, "uuid": uuid} for n in osds]}


@pytest.mark.parametrize(
    ("kind", "dump", "holds"),
    [
        ("osd.absent", _dump(1, 2), True),
        ("osd.absent", _dump(3), False),
        ("osd.out", _dump(3), True),
        ("osd.out", _dump(3, in_=1), False),
        ("osd.in", _dump(3, in_=1), True),
        ("osd.up", _dump(3, up=1), True),
        ("osd.up", _dump(3, up=1, uuid=views.UUID), False),  # the old one, started again (a7)
        ("osd.up", _dump(3, up=1, state="destroyed"), False),
        ("osd.destroyed", _dump(3, state="destroyed"), True),
        ("osd.destroyed", _dump(1), False),
        ("osd.down", _dump(3, up=1), False),
    ],
)
def test_conditions(monkeypatch: pytest.MonkeyPatch, kind: str, dump: Any, holds: bool) -> None:
    monkeypatch.setattr(world, "Ceph", Cluster_(**{"osd dump": dump}))
    assert World(Memory(), ARGS).holds([{"is": kind, "not_uuid": views.UUID}]) is holds


def test_the_place_in_crush(monkeypatch: pytest.MonkeyPatch) -> None:
    """a24: weight and bucket are compared, and what is otherwise is put right."""
    view = views.kolla()
    monkeypatch.setattr(world, "Ceph", Cluster_())
    step = next(s for s in choose(view)[0].steps(view) if s.id == "compare")
    for changes, holds in (
        ({}, True),
        ({"weight": 1.0}, False),
        ({"location": {"host": "stor1", "root": "default"}}, False),
    ):
        osds = {**view.cluster.osds, 3: replace(view.osd, **changes)}
        now = replace(view.cluster, osds=osds)
        monkeypatch.setattr(survey, "read_cluster", lambda *_a, now=now: now)
        assert World(Memory(), ARGS).holds([step.args["until"][0]]) is holds


def test_words_that_are_filled_in_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world, "Ceph", Cluster_())
    part = Part("nvme0n1p2", "/dev/nvme0n1p2", 1, uuid="guid-2", fs_uuid="fs-2")
    host = HostDisks(
        "stor1", (Disk("sdx", "/dev/sdx", 1, "SN-NEW"), Disk("nvme0n1", "/dev/nvme0n1", 1, "SN-NVME", parts=(part,)))
    )
    monkeypatch.setattr(World, "disks", lambda _self: host)
    assert World(Memory({"swap": {"disk": "SN-NEW"}}), ARGS).words(["a", "<new-disk:1>"]) == ["a", "/dev/sdx1"]
    nvme = World(Memory({"swap": {"disk": "SN-NVME"}}), ARGS)
    assert nvme.words(["<new-disk:1>", "x=<partuuid:2>", "/p/<fs-uuid>"]) == ["/dev/nvme0n1p1", "x=guid-2", "/p/fs-2"]
    with pytest.raises(StepFailed, match="not in stor1"):
        World(Memory({"swap": {"disk": "GONE"}}), ARGS).words(["<new-disk>"])


@pytest.mark.parametrize(
    ("swapped", "rebuild", "there", "past"),
    [
        (False, False, True, False),  # before the swap
        (True, False, True, False),  # the old one was put back
        (True, False, False, True),  # pulled
        (False, True, True, False),  # not wiped yet
        (False, True, False, True),
    ],
)
def test_the_point_of_no_return(
    monkeypatch: pytest.MonkeyPatch, swapped: bool, rebuild: bool, there: bool, past: bool
) -> None:
    monkeypatch.setattr(world, "Ceph", Cluster_())
    old = views.disk("b", 1, views.part("sdb1", "KOLLA_CEPH_DATA_3"))
    monkeypatch.setattr(World, "disks", lambda _self: HostDisks("stor1", (old,) if there else ()))
    outcomes = {"swap": {"disk": "SN-NEW"}} if swapped else {}
    assert World(Memory(outcomes), {**ARGS, "rebuild": rebuild}).past_return() is past


def test_the_keyring_is_kept_by_the_monitors_and_nobody_sees_it(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster_(key=True)
    monkeypatch.setattr(world, "Ceph", cluster)
    ctx, args = Memory(), {**ARGS, "put": "set", "rm": "rm"}
    keeping.KeepKey().do(ctx, args)
    assert KEY in cluster.kept
    assert not any(KEY in r for r in cluster.ran)
    assert not any(KEY in text for _kind, text in ctx.events)
    assert KEY not in mask(f"it was {KEY}"), "whoever prints it by mistake prints stars"
    assert keeping.KeepKey().probe(ctx, args) == {"kept": True}
    keeping.KeepKey().undo(ctx, args, None)
    assert cluster.ran[-1] == "config-key rm blue-wizard/osd.3.keyring"


def test_an_osd_without_a_key_has_nothing_to_keep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world, "Ceph", Cluster_())
    assert keeping.KeepKey().do(Memory(), {**ARGS, "put": "put", "rm": "del"}) == {"kept": False}


def test_the_id_that_the_next_osd_gets(monkeypatch: pytest.MonkeyPatch) -> None:
    """a23: another one was removed while we worked."""
    monkeypatch.setattr(world, "Ceph", Cluster_(**{"osd dump": _dump(0, 1, 2, 4)}))
    change.guard(Memory(), {**ARGS, "guard": "lowest-id"})
    monkeypatch.setattr(world, "Ceph", Cluster_(**{"osd dump": _dump(0, 2, 4)}))
    with pytest.raises(StepFailed, match="get id 1, not 3"):
        change.guard(Memory(), {**ARGS, "guard": "lowest-id"})


def test_a_forgotten_label_on_another_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """a21: Kolla's next deployment would wipe that disk."""
    stray = HostDisks("stor2", (views.disk("c", 2, views.part("sdc1", "KOLLA_CEPH_OSD_BOOTSTRAP_X")),))
    monkeypatch.setattr(change, "read_cluster", lambda _cloud: small(CLEAN_SIX))
    monkeypatch.setattr(change, "look_at", lambda _cluster: {"stor1": views.kolla().disks, "stor2": stray})
    with pytest.raises(StepFailed, match="/dev/sdc1 on stor2"):
        change.guard(Memory(), {**ARGS, "guard": "no-labels"})
    monkeypatch.setattr(change, "look_at", lambda _cluster: {"stor1": views.kolla().disks})
    change.guard(Memory(), {**ARGS, "guard": "no-labels"})


def test_safety_is_judged_again_right_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """a6: a second OSD failed since the plan was made."""
    pgs = [("active+undersized+degraded", (0, 1)), ("active+clean", (4, 5, 0))]
    monkeypatch.setattr(change, "read_cluster", lambda _cloud: small(pgs, down=[2, 3]))
    with pytest.raises(StepFailed, match="not safe any more"):
        change.guard(Memory(), {**ARGS, "guard": "safe-to-destroy"})


def test_one_clean_look_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Right after a change the maps show the time before it: three looks in a row have to agree."""
    clean, dirty = small(CLEAN_SIX, down=[3]), small([("active+remapped+backfilling", (0, 1, 2))], down=[3])
    looks = [clean, clean, dirty, clean, clean, clean]
    monkeypatch.setattr(waiting, "read_cluster", lambda *_a: looks.pop(0))
    monkeypatch.setattr(waiting, "_rest", lambda _ctx: None)
    waiting.SafeToDestroy().do(Memory(), ARGS)
    assert looks == []


def test_a_refill_is_over_when_the_osd_holds_data_again() -> None:
    refilled = waiting.Refilled()
    assert "not up and in" in refilled._ready(small(CLEAN_SIX, down=[3]), 3)
    assert "no PG is mapped" in refilled._ready(small(CLEAN_SIX), 3)
    assert refilled._ready(small([("active+clean", (3, 0, 1))]), 3) == ""


def test_the_swap_waits_for_the_right_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """a1, a4, a5: each wrong state is told once, and nothing is undone because of it."""
    monkeypatch.setattr(world, "Ceph", Cluster_(**{"osd dump": _dump(3)}))
    old, other, new = views.disk("b", 1), views.disk("c", 2), replace(views.disk("b", 1), serial="SN-NEW")
    looks = [(old, other), (old, other), (new,), (replace(new, size=1), other), (new, other)]
    monkeypatch.setattr(World, "disks", lambda _self: HostDisks("stor1", looks.pop(0)))
    quiet: Callable[..., None] = lambda *_a: None  # noqa: E731
    for name in ("_scan", "_rest"):
        monkeypatch.setattr(swap, name, quiet)
    monkeypatch.setattr(swap, "_dirty", lambda *_a: False)
    wishes = {"size": 10 << 30, "rotates": True, "sector": 512}
    args = {**ARGS, "known": {"SN-B": "/p/1", "SN-C": "/p/2"}, "place": old.by_path, "gone": False, "wishes": wishes}
    ctx = Memory(answer="done")
    found = swap.Swap().do(ctx, args)
    assert (found["disk"], found["same_place"], found["pulled"]) == ("SN-NEW", True, "SN-B")
    told = [text for kind, text in ctx.events if kind == "swap"]
    assert [t.split()[0:3] for t in told] == [
        ["the", "failed", "disk"],
        ["WRONG", "DISK", "PULLED:"],
        ["SN-NEW", "is", "too"],
    ]
    assert mask(found) == found, "the ledger would keep stars instead"


def test_a_disk_that_looks_blank_is_looked_into(monkeypatch: pytest.MonkeyPatch) -> None:
    class Host:
        def __init__(self, status: int, out: str) -> None:
            self._result = Result(status, out, "")

        def run(self, *_a: Any, **_k: Any) -> Result:
            return self._result

    for status, out, dirty in (
        (0, "", False),
        (0, "# offset,uuid,label,type\n0x218,,,LVM2_member\n", True),
        (1, "", True),
    ):
        monkeypatch.setattr(swap.ssh, "host", lambda _name, s=status, o=out: Host(s, o))
        assert swap._dirty("stor1", views.disk("e", 1)) is dirty


def test_two_operators_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """a16: the second one is told who is at it; another OSD of the cluster has to wait, too."""

    def plan(osd: int) -> Any:
        view = views.kolla()
        view = replace(view, osd=replace(view.osd, id=osd))
        return operation._one(view, "kolla-ceph", choose(views.kolla())[0].steps(view)[:1], view.cluster)

    first = client.submit(plan(3), approved=False)
    for osd in (3, 4):
        with pytest.raises(Refused, match=first):
            client.submit(plan(osd), approved=False)


def test_a_missing_admin_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ceph_cli, "admin_of", lambda _cloud: ceph_cli.CephAdmin())
    monkeypatch.setattr(
        ceph_cli.Ceph,
        "_local",
        lambda *_a: (1, "", "auth: unable to find a keyring on /etc/ceph/ceph.client.admin.keyring"),
    )
    with pytest.raises(InputError, match=r"client\.admin") as e:
        ceph_cli.Ceph("lab").json("status")
    assert e.value.exit_code == 2


def test_an_answer_of_another_release(monkeypatch: pytest.MonkeyPatch) -> None:
    """a30: what nobody knows is told, and never guessed."""
    told = {" ".join(w): answers("pacific")[k] for k, w in survey.facts.COMMANDS.items()}
    monkeypatch.setattr(survey, "Ceph", Cluster_(**told))
    assert isinstance(survey.read_cluster("lab"), Cluster)
    monkeypatch.setattr(survey, "Ceph", Cluster_(**{**told, "osd dump": json.loads('{"osds": 3}')}))
    with pytest.raises(StepFailed, match="form that this version does not know"):
        survey.read_cluster("lab")


def test_no_cluster_is_configured() -> None:
    with pytest.raises(InputError, match="administered"):
        ceph_cli.admin_of("nowhere")
