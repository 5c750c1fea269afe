"""What a vCenter is asked for before anything moves: names, twins, tags, rules of its clusters, and what bars the way."""

from __future__ import annotations

from blue_wizard.migrate.convert import Guest
from blue_wizard.migrate.machine import Together
from blue_wizard.migrate.mapping import MapFile
from blue_wizard.migrate.planning import Wishes, make_wave
from tests.unit.migrate.test_steps import SITE

from .conftest import Start, disk, machine

TWIN = "420f1234-0000-4000-8000-00000000000b"


def test_names_twins_tags_and_rules(start: Start) -> None:
    center = start(
        machine("网店%2fÜbung", Folder="unicode", Tags=["部门/研发", "tier/gold", "tier/web"]),
        machine("twin", Folder="twin-a", Bios=TWIN),
        machine("twin", Folder="twin-b", Bios=TWIN),
        machine("db", disk(Rdm=True)),
        Rules=[
            {"Name": "web apart", "Apart": True, "Machines": ["twin-a", "twin-b"]},
            {"Name": "near the db", "Machines": ["twin-a", "unicode"]},
        ],
    )
    found = list(center.source().discover())
    assert sorted(m.name for m in found) == ["db", "twin", "twin", "网店/Übung"]
    assert len({m.id for m in found}) == 4
    shop = next(m for m in found if m.name == "网店/Übung")
    assert shop.tags == ("tier/gold", "tier/web", "部门/研发")
    twins = [m for m in found if m.name == "twin"]
    assert all(any(TWIN in w for w in m.warnings) for m in twins)
    assert not any(TWIN in w for w in shop.warnings)
    assert {m.rules for m in twins} == {
        (Together("web apart", True),),
        (Together("web apart", True), Together("near the db", False)),
    }
    assert shop.rules == (Together("near the db", False),)

    wave, remarks = make_wave(center.url, found, SITE, Wishes(mapped=MapFile()), lambda _m: Guest("", True, ()))

    assert len({vm.name for vm in wave.vms}) == 3
    assert {(g.name, g.policy) for g in wave.server_groups} == {
        ("web apart", "soft-anti-affinity"),
        ("near the db", "soft-affinity"),
    }
    groups = {vm.id: vm.server_group for vm in wave.vms}
    assert groups[shop.id] == "near the db"
    assert [groups[m.id] for m in twins] == ["web apart", "web apart"]
    assert any("near the db" in r and "one server group at most" in r for r in remarks)
    (planned,) = (vm for vm in wave.vms if vm.id == shop.id)
    # Nova takes keys of plain letters only; nothing of the values is lost.
    assert planned.metadata == {"tag:tier": "gold, web", "tag:__": "部门/研发"}
    assert any("RDM" in r for r in remarks)


def test_tags_that_are_not_told_bar_nobody(start: Start) -> None:
    center = start(machine("plain"))
    center.control("faults", NoTags=True)
    (found,) = center.source().discover()
    assert found.blockers == ()
    assert any("its tags are not known" in w for w in found.warnings)


def test_bare_hosts_have_no_tags(start: Start) -> None:
    center = start(machine("plain"))
    center.control("faults", NoRest=True)
    (found,) = center.source().discover()
    assert (found.tags, found.warnings) == ((), ())


def test_custom_attributes_become_metadata(start: Start) -> None:
    said = {"Cost Center": "4711", "联系人": "王", "Backup password": "hush-hush"}
    center = start(machine("shop", Attributes=said, Tags=["tier/web"]), machine("plain"))
    plain, shop = center.source().discover()
    assert dict(plain.metadata) == {}
    assert dict(shop.metadata) == {"attribute:Cost Center": "4711", "attribute:___": "联系人/王"}
    # Plans are read by many.
    assert [w for w in shop.warnings if "Backup password" in w]
    wave, _remarks = make_wave(center.url, [shop], SITE, Wishes(mapped=MapFile()), lambda _m: Guest("", True, ()))
    assert wave.vms[0].metadata == {**shop.metadata, "tag:tier": "web"}
