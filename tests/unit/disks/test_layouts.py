"""Each way of deployment: how it is told, and the exact commands in their order."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from blue_wizard.disks.layouts import choose, layouts
from blue_wizard.disks.view import View
from blue_wizard.disks.world import shown
from blue_wizard.errors import InputError, Refused
from blue_wizard.facts.osd_host import OsdHost
from blue_wizard.jobs.model import Step
from blue_wizard.masking import mask
from blue_wizard.report.disks import commands_of

from . import views

GOLDEN = Path(__file__).parent / "golden"
CASES: dict[str, tuple[str, Callable[[], View]]] = {
    "ceph-volume": ("ceph-volume", views.ceph_volume),
    "ceph-volume-db-rebuild": ("ceph-volume", lambda: views.ceph_volume(db=True, rebuild=True)),
    "ceph-volume-db-up": ("ceph-volume", lambda: views.ceph_volume(db=True, up=True)),
    "kolla-ssd": ("kolla-ceph", views.kolla),
    "kolla-same-disk-podman": ("kolla-ceph", lambda: views.kolla(ssd=False, runtime="podman")),
    "kolla-bluestore-rebuild": ("kolla-ceph", lambda: views.kolla(ssd=False, blue=True, rebuild=True)),
    "rdo": ("rdo-ceph", lambda: views.rdo(section="[osd.3]\nosd journal size = 5120\n")),
    "rdo-rebuild": ("rdo-ceph", lambda: views.rdo(rebuild=True)),
    "cephadm": ("cephadm", views.cephadm),
}


def _text(steps: tuple[Step, ...]) -> str:
    lines = []
    for step in steps:
        lines.append(f"{step.id} ({step.verb})" + (f" !! {step.irreversible}" if step.irreversible else ""))
        if step.gate:
            lines.append(f"  ? {step.gate.question}")
        if "guard" in step.args:
            lines.append(f"  guard {step.args['guard']}")
        lines += [f"  $ {shown(c, step.args['host'])}" for c in commands_of(step)]
        lines += [f"  < {shown(c, step.args['host'])}" for c in step.args.get("back", ())]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("name", CASES)
def test_the_commands(name: str) -> None:
    """What would be run, step by step, and what would lead back ("<"). BW_WRITE=1 writes the files anew, to be read by a person."""
    kind, make = CASES[name]
    view = make()
    made, _evidence = choose(view)
    assert made.name == kind
    assert made.problems(view) == []
    text = _text(made.steps(view))
    file = GOLDEN / f"{name}.txt"
    if os.environ.get("BW_WRITE"):
        file.write_text(text)
    assert text == file.read_text()


@pytest.mark.parametrize("name", CASES)
def test_what_every_plan_keeps_to(name: str) -> None:
    view = CASES[name][1]()
    steps = choose(view)[0].steps(view)
    ids = [s.id for s in steps]
    assert len(set(ids)) == len(ids)
    no_return = next(i for i, s in enumerate(steps) if s.irreversible)
    for step in steps:
        assert step.locks == ("osd:f/3",)
        if step.verb == "osd.change":
            assert step.args["until"], f"{step.id} would run again and again"
            assert step.args["commands"]
    # Whatever is changed before the point of no return has a way back, or leaves nothing behind.
    for step in steps[:no_return]:
        harmless = {"stop", "unmount", "release"}
        assert step.verb != "osd.change" or step.args.get("back") or step.id in harmless, step.id
    # Nothing is wiped, and no new disk is touched, before it was looked at.
    before_swap = ids[: ids.index("swap")] if "swap" in ids else ids[:no_return]
    for step in steps[: len(before_swap)]:
        assert "<new-disk" not in str(step.args.get("commands", "")), step.id
    if "flags" in ids:
        assert ids.index("flags") < ids.index("key") < ids.index("crush") < ids.index("remove") < ids.index("unflag")
        assert ids.index("safe") < ids.index("flags"), "recovery has ended before it is held back"
        assert ids.index("unflag") < ids.index("refill")


@pytest.mark.parametrize("name", CASES)
def test_other_disks_are_never_named_in_what_destroys(name: str) -> None:
    """sdc (another OSD) is in no command; of the SSD only this OSD's own slot is."""
    view = CASES[name][1]()
    for step in choose(view)[0].steps(view):
        for command in commands_of(step):
            words = " ".join(command["argv"])
            assert "/dev/sdc" not in words
            assert "sda" not in words
            assert "p-d1" not in words
            assert "j-4" not in words
            assert "DATA_4" not in words


def test_no_secret_is_on_any_argv() -> None:
    for _kind, make in CASES.values():
        view = make()
        for step in choose(view)[0].steps(view):
            for command in [*commands_of(step), *step.args.get("back", ())]:
                assert "cephx_secret" not in str(command["argv"])


@pytest.mark.parametrize("name", CASES)
def test_type_confirms_and_never_decides(name: str) -> None:
    kind, make = CASES[name]
    assert choose(make(), kind)[0].name == kind
    for other in set(layouts()) - {kind}:
        with pytest.raises(Refused, match=f"not of the type {other}"):
            choose(make(), other)
    with pytest.raises(InputError, match="no known type"):
        choose(make(), "kolla")


def test_what_nobody_knows_is_refused() -> None:
    with pytest.raises(Refused, match="Nothing shows how"):
        choose(views.lab())


def test_two_ways_at_once_are_refused() -> None:
    both = replace(views.ceph_volume(), deployed=views.kolla().deployed)
    with pytest.raises(Refused, match="several types"):
        choose(both)


def test_kolla_needs_the_lowest_id() -> None:
    """a23: with a lower id free the new OSD would not be osd.3."""
    view = views.kolla()
    osds = {n: o for n, o in view.cluster.osds.items() if n != 1}
    view = replace(view, cluster=replace(view.cluster, osds=osds))
    assert any("id 1 is free" in p for p in choose(view)[0].problems(view))


def test_kolla_sees_a_container_of_an_earlier_attempt() -> None:
    """a22."""
    view = views.kolla()
    names = {"docker": ("ceph_osd_3", "bootstrap_osd_0")}
    view = replace(view, deployed=replace(view.deployed, containers=names))
    assert any("bootstrap_osd_0" in p for p in choose(view)[0].problems(view))


def test_kolla_without_its_container_takes_another_one_as_a_model() -> None:
    view = views.kolla()
    assert view.deployed.container is not None
    model = replace(view.deployed.container, name="ceph_osd_4")
    view = replace(view, deployed=OsdHost(view.deployed.containers, None, model))
    made = choose(view)[0]
    assert made.problems(view) == []
    assert "container" not in [s.id for s in made.steps(view)]
    bare = replace(view, deployed=OsdHost())
    assert any("no container" in p for p in made.problems(bare))


def test_rdo_finds_the_journal_by_elimination_or_refuses() -> None:
    """a19: the link on the dead disk can't be read; of two journals the other one belongs to osd.4."""
    view = views.rdo(link=False)
    made = choose(view)[0]
    assert made.problems(view) == []
    assert "/dev/disk/by-partuuid/j-3" in _text(made.steps(view))
    nobody = replace(view, disks=replace(view.disks, folders={}))
    assert any("journal can't be told" in p for p in made.problems(nobody))


def test_rdo_finds_the_journal_by_its_header() -> None:
    """a19: the disk is dead and its link with it, and no other link tells of the other journals."""
    view = views.rdo(link=False)
    of_headers = {"/dev/sdd1": "00000000-0000-0000-0000-00000000dead", "/dev/sdd2": view.osd.uuid}
    found = replace(view, disks=replace(view.disks, folders={}, journals=of_headers))
    made = choose(found)[0]
    assert made.problems(found) == []
    assert "/dev/disk/by-partuuid/j-3" in _text(made.steps(found))
    # The header of a journal that nobody uses any more says nothing of ours.
    old = replace(view, disks=replace(view.disks, folders={}, journals={"/dev/sdd1": of_headers["/dev/sdd1"]}))
    assert any("journal can't be told" in p for p in made.problems(old))


def test_rdo_refuses_a_journal_whose_header_is_that_of_another_osd() -> None:
    view = views.rdo()
    other = next(o for o in view.cluster.osds.values() if o.uuid and o.id != view.osd.id)
    wrong = replace(view, disks=replace(view.disks, journals={"/dev/sdd2": other.uuid}))
    assert any(f"osd.{other.id}" in p for p in choose(wrong)[0].problems(wrong))


def _forgotten(view: View, slots: int) -> View:
    """The view after the disk has died: of its journal udev knows nothing; `slots` of the SSD's partitions are left."""
    data, spare = view.disks.disks[1], view.disks.disks[-1]
    bare = replace(data, parts=(data.parts[0], views.part("sdb2")))
    disks = replace(
        view.disks,
        disks=(*view.disks.disks[:1], bare, *view.disks.disks[2:-1], replace(spare, parts=spare.parts[:slots])),
        folders={},
    )
    return replace(view, disks=disks, identity=replace(view.identity, disk=bare))


def test_a_journal_that_died_beside_the_data_is_on_no_other_disk() -> None:
    """a19: udev has forgotten it, and what is left on the SSD, even a slot that nobody uses, is not this OSD's."""
    whole = views.kolla(ssd=False)
    assert whole.deployed.container is not None
    env = ("JOURNAL_PARTITION=/dev/disk/by-partuuid/p-b2",)
    box = replace(whole.deployed.container, env=env)
    whole = replace(whole, deployed=replace(whole.deployed, container=box))
    dead = _forgotten(whole, 1)
    assert choose(dead)[0].problems(dead) == []
    assert _text(choose(dead)[0].steps(dead)) == _text(choose(whole)[0].steps(whole))

    dead = _forgotten(views.rdo(link=False), 2)
    made = choose(dead)[0]
    assert made.problems(dead) == []
    assert "j-3" not in _text(made.steps(dead))
    assert "j-4" not in _text(made.steps(dead))


def test_a_journal_elsewhere_is_not_taken_for_one_that_died() -> None:
    """A partition beside the data that tells nothing is no reason to forget a journal that is there under another name."""
    view = views.kolla()
    assert view.deployed.container is not None
    box = replace(view.deployed.container, env=("JOURNAL_PARTITION=/dev/disk/by-partuuid/p-d2",))
    slot = replace(view.disks.disks[-1].parts[1], label="")
    ssd = replace(view.disks.disks[-1], parts=(view.disks.disks[-1].parts[0], slot))
    view = replace(view, deployed=replace(view.deployed, container=box))
    view = replace(view, disks=replace(view.disks, disks=(*view.disks.disks[:-1], ssd)))
    dead = _forgotten(view, 2)
    assert any("no partition has the label of its journal" in p for p in choose(dead)[0].problems(dead))


def test_ceph_volume_refuses_what_it_does_not_do() -> None:
    view = views.ceph_volume()
    lvs = tuple(replace(lv, tags={**lv.tags, "ceph.encrypted": "1"}) for lv in view.disks.lvs)
    view = replace(view, disks=replace(view.disks, lvs=lvs))
    assert any("encrypted" in p for p in choose(view)[0].problems(view))


def test_cephadm_holds_the_service_back_that_would_take_the_failed_disk() -> None:
    view = views.cephadm(metadata={"hostname": "stor1", "osdspec_affinity": "all", "osd_objectstore": "bluestore"})
    reef = replace(view, cluster=replace(view.cluster, release="reef"))
    made = choose(reef)[0]
    ids = [s.id for s in made.steps(reef)]
    assert ids[0] == "hold"
    assert ids.index("create") < ids.index("manage")
    assert "hold" not in [s.id for s in made.steps(view)], "Pacific has no such command"


@pytest.mark.parametrize("name", CASES)
def test_the_ledger_takes_the_plan(name: str) -> None:
    """Words that it would mask (a field called "key") would be refused when the plan is submitted."""
    view = CASES[name][1]()
    for step in choose(view)[0].steps(view):
        args = json.loads(json.dumps(step.args))
        assert mask(args) == args, step.id
