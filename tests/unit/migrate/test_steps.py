"""A wave as a plan, and what stands in its way: pure functions on a made-up cloud."""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from blue_wizard.errors import InputError, Refused, StepFailed
from blue_wizard.jobs.actions import find, load
from blue_wizard.jobs.lanes import blocks
from blue_wizard.migrate import looking, operation, preconditions, source_findings
from blue_wizard.migrate.convert import Guest
from blue_wizard.migrate.machine import Disk, Firmware, Machine, Nic, Power, Together
from blue_wizard.migrate.mapping import Flavor, MapFile, Subnet
from blue_wizard.migrate.planning import Wishes, make_wave
from blue_wizard.migrate.site import Network, Quota, Site
from blue_wizard.migrate.steps import flavor_steps, group_steps, lanes_of, vm_steps, with_hooks
from blue_wizard.migrate.wave import GroupPlan, Hook, Warm, Wave, for_run, only

GIB = 1 << 30
ON = Power.ON
SITE = Site(
    cloud="c",
    flavors=(Flavor("f1", "small", 1, 1024, 10),),
    networks=(Network("n1", "net", (Subnet("s1", "10.0.0.0/24"),)),),
    groups={"default": "g0", "web": "g1"},
    zones=frozenset({"nova"}),
    quotas=(Quota("instances", 5), Quota("gigabytes", None)),
    pool="volumes",
    pool_free=100 * GIB,
    addresses={"n1": frozenset({"10.0.0.9", "aa:aa:aa:aa:aa:aa"})},
    servers=frozenset({"taken"}),
)
MACHINE = Machine(
    id="m",
    name="m",
    vcpus=1,
    memory=900,
    disks=(Disk("vda", 3 * GIB + 1, "qcow2", "virtio", boot=True), Disk("vdb", GIB, "raw", "virtio")),
    nics=(Nic("52:54:00:00:00:01", "net", "virtio", ("10.0.0.5",)),),
    power=Power.ON,
)


def _look(_machine: Machine) -> Guest:
    raise AssertionError("nobody needs to look into a guest on virtio")


def make(machine: Machine = MACHINE, site: Site = SITE, **wishes: object) -> Wave:
    """The wave of one machine, as the options of `migrate plan` would make it."""
    return make_wave("s", [machine], site, Wishes(mapped=MapFile(), **wishes), _look)[0]  # type: ignore[arg-type]


def test_the_four_steps_in_their_order() -> None:
    wave = make(shutdown=True)
    verbs = [s.verb for s in vm_steps(wave, wave.vms[0], SITE, Power.ON)]
    assert verbs == [
        "neutron.port.create", "cinder.volume.create", "cinder.volume.create", "nova.server.create", "nova.server.stop",
        "source.power.off", "rbd.disk.import", "rbd.disk.import", "nova.port.attach", "nova.server.start",
        "migrate.server.verify",
    ]  # fmt: skip


def test_every_verb_of_a_plan_has_an_action() -> None:
    load()
    wave = make(replace(MACHINE, memory=77), shutdown=True)
    vm = wave.vms[0].model_copy(update={"convert": True, "server_group": "g"})
    more = {"server_groups": [GroupPlan(name="g")], "hooks": [Hook(when="down", command=["/bin/true"])]}
    wave = wave.model_copy(update={"vms": [vm], **more})
    steps = [*group_steps(wave), *with_hooks(wave, vm, vm_steps(wave, vm, SITE, Power.ON))]
    assert {"hook.run", "nova.server_group.create"} <= {s.verb for s in steps}
    for step in steps:
        assert find(step.verb).verb == step.verb


def test_rules_of_the_source_become_groups_and_its_tags_metadata() -> None:
    rules = (Together("apart", True), Together("near", False))
    wave, remarks = make_wave(
        "s",
        [replace(MACHINE, rules=rules, tags=("tier/web", "tier/gold", "部门/研发"))],
        SITE,
        Wishes(mapped=MapFile()),
        _look,
    )
    assert [(g.name, g.policy) for g in wave.server_groups] == [("apart", "soft-anti-affinity")]
    assert any("near" in r for r in remarks)
    (group,) = group_steps(wave)
    assert (group.verb, group.args["name"], group.args["policy"]) == (
        "nova.server_group.create", "apart", "soft-anti-affinity",
    )  # fmt: skip
    (server,) = (s for s in vm_steps(wave, wave.vms[0], SITE, Power.OFF) if s.id == "server")
    assert server.args["server_group"] == {"name": "apart", "policy": "soft-anti-affinity"}
    assert server.args["metadata"] == {"tag:tier": "web, gold", "tag:__": "部门/研发"}
    # A group that no machine of the run joins is not made, and without any the steps say nothing of it.
    alone = wave.model_copy(update={"vms": [wave.vms[0].model_copy(update={"server_group": None, "metadata": {}})]})
    assert group_steps(alone) == []
    (server,) = (s for s in vm_steps(alone, alone.vms[0], SITE, Power.OFF) if s.id == "server")
    assert not {"server_group", "metadata"} & set(server.args)


def test_hooks_run_at_their_moments_for_the_machines_that_they_name() -> None:
    wave = make(shutdown=True)
    hooks = [
        Hook(when="after", command=["/bin/c"]),
        Hook(when="before", command=["/bin/a"], undo=["/bin/z", "1"]),
        Hook(when="down", command=["/bin/b"], match="m*"),
        Hook(when="before", command=["/bin/none"], match="other"),
    ]
    wave = wave.model_copy(update={"hooks": hooks})

    def order(state: Power) -> list[str]:
        steps = with_hooks(wave, wave.vms[0], vm_steps(wave, wave.vms[0], SITE, state))
        assert len({s.id for s in steps}) == len(steps)
        return [s.args["command"][0] if s.verb == "hook.run" else s.id for s in steps]

    running = order(Power.ON)
    assert (running[0], running[-1]) == ("/bin/a", "/bin/c")
    assert running[running.index("off") + 1] == "/bin/b"
    assert "/bin/none" not in running
    # A machine that was off all the time is down from the beginning.
    assert order(Power.OFF)[:2] == ["/bin/a", "/bin/b"]


def test_a_group_of_a_wave() -> None:
    wave = make()
    other = wave.vms[0].model_copy(update={"name": "n", "group": "db"})
    both = wave.model_copy(update={"vms": [*wave.vms, other]})
    assert [vm.name for vm in only(both, "*", "db").vms] == ["n"]
    assert len(only(both, "*").vms) == 2
    with pytest.raises(InputError, match="group web"):
        only(both, "*", "web")


def test_the_limit_of_a_run_counts_in_place_of_the_waves() -> None:
    wave = make(max_rate="20M")
    for said, expected in ((None, "20M"), ("5M", "5M")):
        run = for_run(wave, max_rate=said)
        imports = [s for s in vm_steps(run, run.vms[0], SITE, Power.OFF) if s.verb == "rbd.disk.import"]
        assert {s.args["max_rate"] for s in imports} == {expected}
    with pytest.raises(ValueError, match="20X"):
        make(max_rate="20X")


def test_a_machine_that_is_off_is_not_shut_down_and_one_with_start_false_stays_off() -> None:
    wave = make()
    vm = wave.vms[0].model_copy(update={"start": False})
    verbs = {s.verb for s in vm_steps(wave, vm, SITE, Power.OFF)}
    assert not {"source.power.off", "nova.server.start", "migrate.server.verify"} & verbs


@pytest.mark.parametrize(("named", "told"), [("m", "shut down m at"), ("web", "shut down web (m) at")])
def test_a_machine_is_told_by_its_name_and_by_its_number_at_the_source(named: str, told: str) -> None:
    wave = make(shutdown=True)
    vm = wave.vms[0].model_copy(update={"name": named})
    (off,) = [s for s in vm_steps(wave, vm, SITE, Power.ON) if s.verb == "source.power.off"]
    assert told in off.title


def test_volumes_are_rounded_up_and_the_first_disk_boots() -> None:
    wave = make()
    volumes = [s.args for s in vm_steps(wave, wave.vms[0], SITE, Power.OFF) if s.verb == "cinder.volume.create"]
    assert [(v["gib"], v["boot"]) for v in volumes] == [(4, True), (1, False)]


def test_keeping_addresses() -> None:
    wave = make(keep_ip=True, keep_mac=True)
    (port,) = [s for s in vm_steps(wave, wave.vms[0], SITE, Power.OFF) if s.verb == "neutron.port.create"]
    assert (port.args["mac"], port.args["fixed_ip"], port.args["subnet_id"]) == ("52:54:00:00:00:01", "10.0.0.5", "s1")
    assert make().vms[0].nics[0].mac is None


def test_uefi_is_carried_over() -> None:
    wave = make(replace(MACHINE, firmware=Firmware.UEFI, secure_boot=True))
    boot = next(s for s in vm_steps(wave, wave.vms[0], SITE, Power.OFF) if s.id == "volume.0")
    assert boot.args["image_metadata"]["hw_firmware_type"] == "uefi"
    assert boot.args["image_metadata"]["os_secure_boot"] == "required"


@pytest.mark.parametrize(("virtio", "convert"), [(True, False), (False, True), (None, False)])
def test_only_a_guest_without_drivers_is_converted(virtio: bool | None, convert: bool) -> None:
    machine = replace(MACHINE, disks=(replace(MACHINE.disks[0], bus="scsi"),))
    wave, _remarks = make_wave("s", [machine], SITE, Wishes(mapped=MapFile()), lambda _m: Guest("os", virtio))
    assert wave.vms[0].convert is convert


def test_a_conversion_that_fails_rolls_back_unless_the_wave_says_hold() -> None:
    def args(**said: str) -> dict[str, object]:
        vm = make().vms[0].model_copy(update={"convert": True, **said})
        return dict(next(s.args for s in vm_steps(make(), vm, SITE, Power.OFF) if s.id == "convert"))

    assert "hold" not in args()
    assert args(convert_failed="hold") == {**args(), "hold": True}


def _alone(**said: object) -> Wave:
    wave = make(shutdown=True, **said)
    return wave.model_copy(update={"vms": [wave.vms[0].model_copy(update={"server": False, "convert": True})]})


def test_disks_may_move_without_a_server() -> None:
    wave = _alone()
    steps = vm_steps(wave, wave.vms[0], SITE, Power.ON)
    assert [s.id for s in steps] == ["volume.0", "volume.1", "off", "import.0", "import.1", "convert"]
    writing = [s for s in steps if s.id.startswith(("import", "convert"))]
    assert all(s.args["alone"] is True for s in writing)
    # Two jobs must not move one machine.
    assert steps[0].locks == ("machine:s/m",)
    warm = _alone(warm=Warm())
    steps = vm_steps(warm, warm.vms[0], SITE, Power.ON)
    assert [s.id for s in steps] == ["volume.0", "volume.1", "warm", "off", "final", "convert", "forget"]
    assert all(s.args["alone"] is True for s in steps if s.id in {"warm", "off", "final", "convert"})
    assert not any("alone" in s.args for s in vm_steps(make(), make().vms[0], SITE, Power.OFF))


def test_disks_without_a_server_need_neither_flavor_nor_name_nor_network() -> None:
    nothing = replace(
        SITE, servers=frozenset({"m"}), flavors=(), networks=(), quotas=(Quota("instances", 0), Quota("ports", 0))
    )
    preconditions.judge(preconditions.check(_alone(), nothing))
    assert flavor_steps(_alone(), nothing) == []
    with pytest.raises(Refused, match="5 GiB"):
        preconditions.judge(preconditions.check(_alone(), replace(nothing, pool_free=4 * GIB)))
    local = _alone(storage="local")
    with pytest.raises(InputError, match="storage: rbd"):
        preconditions.judge(preconditions.check(local, replace(nothing, computes=())))


def test_a_volume_type_for_each_datastore() -> None:
    sizes = zip(("ds-ssd", "ds-sata", ""), ("vda", "vdb", "vdc"), strict=True)
    disks = tuple(Disk(id, GIB, "vmdk", "virtio", boot=id == "vda", store=store) for store, id in sizes)
    mapped = MapFile(volume_types={"ds-ssd": "fast"}, volume_type="plain")
    site = replace(SITE, volume_types=frozenset({"fast", "plain"}))
    wave, _remarks = make_wave("s", [replace(MACHINE, disks=disks)], site, Wishes(mapped=mapped), _look)
    steps = vm_steps(wave, wave.vms[0], site, Power.OFF)
    assert [s.args["volume_type"] for s in steps if s.verb == "cinder.volume.create"] == ["fast", "plain", "plain"]
    preconditions.judge(preconditions.check(wave, site))
    with pytest.raises(InputError, match="fast"):
        preconditions.judge(preconditions.check(wave, replace(site, volume_types=frozenset({"plain"}))))
    # On local disks there are no volumes, so there is nothing to be of a type.
    local, _remarks = make_wave(
        "s", [replace(MACHINE, disks=disks)], site, Wishes(mapped=mapped, storage="local"), _look
    )
    assert {d.volume_type for d in local.vms[0].disks} == {None}


def test_all_that_holds() -> None:
    preconditions.judge(preconditions.check(make(), SITE))


@pytest.mark.parametrize(
    ("site", "kind", "word"),
    [
        (replace(SITE, servers=frozenset({"m"})), Refused, "name"),
        (replace(SITE, quotas=(Quota("instances", 0),)), Refused, "instances"),
        (replace(SITE, pool_free=4 * GIB), Refused, "5 GiB"),
        (replace(SITE, networks=()), InputError, "net"),
        (replace(SITE, flavors=()), InputError, "small"),
        (replace(SITE, servers=frozenset({"m"}), flavors=()), InputError, "small"),
    ],
)
def test_what_stands_in_the_way(site: Site, kind: type[Exception], word: str) -> None:
    with pytest.raises(kind, match=word):
        preconditions.judge(preconditions.check(make(), site))


def test_many_small_disks_need_their_own_size_and_not_that_of_their_volumes() -> None:
    wave = make(shutdown=True)
    small = [d.model_copy(update={"id": f"vd{n}", "size": 64 << 20}) for n, d in enumerate(wave.vms[0].disks * 50)]
    crowd = wave.model_copy(update={"vms": [wave.vms[0].model_copy(update={"disks": small})]})
    found = preconditions.check(crowd, replace(SITE, pool_free=7 * GIB))
    (space,) = [f for f in found if "space in pool" in f.title]
    assert (space.holds, space.detail) == (True, "7 GiB in the worst case, 7 GiB available")
    (space,) = [f for f in preconditions.check(crowd, replace(SITE, pool_free=6 * GIB)) if "space in pool" in f.title]
    assert not space.holds


def test_a_disk_that_the_wave_does_not_name_is_told_by_the_plan() -> None:
    def told(machine: Machine) -> list[str]:
        source: Any = object()
        findings = source_findings.check(make(shutdown=True), source, {machine.id: machine})
        assert all(f.holds for f in findings)
        return [f.detail for f in findings if "stay there" in f.title]

    assert told(MACHINE) == []
    assert told(replace(MACHINE, disks=(*MACHINE.disks, Disk("vdz", GIB, "raw")))) == ["not in the wave: vdz"]


def test_a_copy_counts_for_all_that_it_loads(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = replace(MACHINE, power=Power.OFF, places=("datastore:ds1", "esxi-host:esx1"))
    source = SimpleNamespace(target="vsphere:vc", discover=lambda: [machine])
    monkeypatch.setattr(operation.openstack, "connect", lambda _name: None)
    monkeypatch.setattr(operation, "ceph_access", lambda _name: None)
    monkeypatch.setattr(operation.site, "read", lambda *_what, **_how: SITE)
    monkeypatch.setattr(operation, "open_source", lambda _url: source)
    (part,) = operation.compile_waves([make(machine)]).children
    assert (part.target, set(part.uses)) == (
        "vsphere:vc", {"source-host:vsphere:vc", "datastore:ds1", "esxi-host:esx1", "cloud:c"},
    )  # fmt: skip


def test_two_networks_of_one_name_are_no_network() -> None:
    twin = (*SITE.networks, Network("n2", "net", ()))
    assert replace(SITE, networks=twin).network("net") is None
    assert replace(SITE, networks=twin).network("n2") is not None


def test_what_can_not_be_moved_is_left_out_and_told() -> None:
    good, bad = MACHINE, replace(MACHINE, id="b", name="b", disks=(), blockers=("it has no disk",))
    wave, remarks = make_wave("s", [bad, good], SITE, Wishes(mapped=MapFile()), _look)
    assert [vm.id for vm in wave.vms] == ["m"]
    assert "b is left out, it can't be moved: it has no disk" in remarks
    with pytest.raises(InputError, match="it has no disk"):
        make_wave("s", [bad], SITE, Wishes(mapped=MapFile()), _look)


def test_machines_of_one_name_become_servers_of_two() -> None:
    twins = [replace(MACHINE, id="vm-1"), replace(MACHINE, id="vm-2")]
    wave, remarks = make_wave("s", twins, SITE, Wishes(mapped=MapFile()), _look)
    assert [vm.name for vm in wave.vms] == ["m", "m-vm-2"]
    assert any("m-vm-2" in r for r in remarks)


def test_further_addresses_of_a_card_are_let_pass() -> None:
    nic = replace(MACHINE.nics[0], addresses=("10.0.0.5", "10.0.0.6", "10.0.0.7"))
    machine = replace(MACHINE, nics=(nic,))
    wave = make(machine, keep_ip=True)
    (port,) = [s for s in vm_steps(wave, wave.vms[0], SITE, Power.OFF) if s.verb == "neutron.port.create"]
    assert (port.args["fixed_ip"], port.args["allowed_ips"]) == ("10.0.0.5", ["10.0.0.6", "10.0.0.7"])
    assert make(machine).vms[0].nics[0].allowed_ips == []


def test_a_further_address_outside_the_network_is_found_before_anything_is_made() -> None:
    nic = replace(MACHINE.nics[0], addresses=("10.0.0.5", "10.99.0.6"))
    wave = make(replace(MACHINE, nics=(nic,)), keep_ip=True)
    bad = [f for f in preconditions.check(wave, SITE) if not f.holds]
    assert any("10.99.0.6" in f.title for f in bad)


def test_machines_of_one_size_share_a_flavor_that_the_wave_makes() -> None:
    site = replace(SITE, flavors=())
    wave = make_wave("s", [MACHINE, replace(MACHINE, id="n", name="n")], site, Wishes(mapped=MapFile()), _look)[0]
    (step,) = flavor_steps(wave, site)
    assert step.args["name"] == "bw-1c-900m"
    for vm in wave.vms:
        steps = vm_steps(wave, vm, site, Power.OFF)
        assert "nova.flavor.create" not in {s.verb for s in steps}
        assert next(s for s in steps if s.id == "server").args["flavor_name"] == "bw-1c-900m"
    assert flavor_steps(make(), SITE) == []


def _cloudy(**more: object) -> Machine:
    """A machine of a source that is a cloud."""
    nic = replace(MACHINE.nics[0], groups=("web", "lost"), shared=("10.0.0.77",))
    said: dict[str, object] = {"flavor": "small", "memory": 1024, "key": "k", "metadata": {"owner": "t"}, **more}
    return replace(MACHINE, nics=(nic,), **said)  # type: ignore[arg-type]


def test_a_server_keeps_what_its_cloud_said_of_it() -> None:
    mapped = MapFile(groups={"lost": "default"})
    site = replace(SITE, keys=frozenset({"k"}))
    wishes = Wishes(mapped=mapped, keep_ip=True)
    wave, remarks = make_wave("s", [_cloudy()], site, wishes, _look)
    (vm,) = wave.vms
    assert (vm.flavor, vm.keypair, vm.metadata) == ("small", "k", {"owner": "t"})
    assert (vm.nics[0].security_groups, [str(a) for a in vm.nics[0].allowed_ips]) == (["web", "default"], ["10.0.0.77"])
    assert not any("group" in r or "keypair" in r for r in remarks)
    preconditions.judge(preconditions.check(wave, replace(site, addresses={})))
    args = next(s.args for s in vm_steps(wave, vm, site, Power.OFF) if s.id == "server")
    assert (args["keypair"], args["metadata"]) == ("k", {"owner": "t"})


def test_a_server_keeps_the_hardware_that_its_guest_knows() -> None:
    said = {"hw_disk_bus": "scsi", "hw_scsi_model": "virtio-scsi", "hw_vif_model": "e1000"}
    disks = tuple(replace(d, bus="scsi") for d in MACHINE.disks)
    # Nobody looks into it, and nobody puts drivers into it: `_look` would say so.
    wishes = Wishes(mapped=MapFile(groups={"lost": "web"}))
    wave, _remarks = make_wave("s", [_cloudy(properties=said, disks=disks)], SITE, wishes, _look)
    (vm,) = wave.vms
    assert (vm.convert, {d.bus for d in vm.disks}) == (False, {"scsi"})
    steps = {s.id: s.args for s in vm_steps(wave, vm, SITE, Power.OFF)}
    assert (steps["volume.0"]["image_metadata"], steps["volume.1"]["image_metadata"]) == (said, {})


def test_what_the_target_lacks_is_said() -> None:
    wave, remarks = make_wave("s", [_cloudy()], SITE, Wishes(mapped=MapFile()), _look)
    assert wave.vms[0].keypair is None
    assert any("keypair k" in r for r in remarks)
    assert any("'lost'" in r for r in remarks)
    with pytest.raises(InputError, match="lost"):
        preconditions.judge(preconditions.check(wave, SITE))


def test_a_flavor_of_the_same_name_and_another_size_is_another() -> None:
    wave, _remarks = make_wave("s", [_cloudy(memory=2048)], SITE, Wishes(mapped=MapFile()), _look)
    assert wave.vms[0].flavor != "small"
    wave, _remarks = make_wave("s", [_cloudy(flavor="old")], SITE, Wishes(mapped=MapFile(flavors={"old": "x"})), _look)
    assert wave.vms[0].flavor == "x"


def test_groups_of_the_map_count_for_all_cards() -> None:
    wave, _remarks = make_wave("s", [_cloudy()], SITE, Wishes(mapped=MapFile(security_groups=["web"])), _look)
    assert wave.vms[0].nics[0].security_groups == ["web"]
    (port,) = (s for s in vm_steps(wave, wave.vms[0], SITE, Power.OFF) if s.verb == "neutron.port.create")
    assert port.args["security_groups"] == ["g1"]
    # A source that knows no groups, and a map without any: the project's own.
    (port,) = (s for s in vm_steps(make(), make().vms[0], SITE, Power.OFF) if s.verb == "neutron.port.create")
    assert port.args["security_groups"] == ["g0"]


def test_a_source_that_exports_does_so_around_each_disk() -> None:
    wave = make(shutdown=True)
    steps = [s.id for s in vm_steps(wave, wave.vms[0], SITE, Power.ON, exporting=True)]
    at = steps.index("off")
    assert steps[at : at + 7] == ["off", "export.0", "import.0", "release.0", "export.1", "import.1", "release.1"]
    staged = wave.model_copy(update={"staging": "/tmp"})
    steps = [s.id for s in vm_steps(staged, staged.vms[0], SITE, Power.OFF, exporting=True)]
    assert steps.index("export.0") < steps.index("stage.0") < steps.index("import.0") < steps.index("release.0")


def test_machines_are_checked_side_by_side_and_told_in_the_order_of_the_wave(monkeypatch: pytest.MonkeyPatch) -> None:
    wave = make(shutdown=True)
    vms = [wave.vms[0].model_copy(update={"id": f"m{i}", "name": f"n{i}"}) for i in range(6)]
    machines = {vm.id: replace(MACHINE, id=vm.id, name=vm.name) for vm in vms}
    here = threading.Barrier(2)

    def checked(machine: str, _stop: Any) -> None:
        here.wait(30)  # none of them ends while it is the only one that is looked at
        raise StepFailed(f"{machine} is cut short")

    source: Any = SimpleNamespace(check=checked)
    monkeypatch.setattr(looking, "AT_ONCE", 2)
    monkeypatch.setattr(looking, "open_source", lambda _url: source)
    crowd = wave.model_copy(update={"vms": [*vms, vms[0].model_copy(update={"id": "gone", "name": "g"})]})
    told: list[tuple[str, int]] = []
    counted = Counter[str]()

    def count(what: str, total: int) -> Any:
        told.append((what, total))
        return nullcontext(lambda name: counted.update([name]))

    found = source_findings.check(crowd, source, machines, count)
    bad = [(f.title, f.detail) for f in found if not f.holds]
    assert bad == [("g: the source has no gone", ""), *((f"n{i}", f"m{i} is cut short") for i in range(6))]
    assert told == [("checks at the source", 6)]
    assert counted == Counter(f"n{i}" for i in range(6))


def test_disks_are_spread_over_lanes_that_end_together() -> None:
    assert lanes_of([50, 10, 10, 10, 20], 2) == ["disks.0", "disks.1", "disks.1", "disks.1", "disks.1"]
    assert lanes_of([1, 1, 1], 16) == ["disks.0", "disks.1", "disks.2"]
    assert lanes_of([1, 1], 1) == lanes_of([1], 4)[:1] * 2 == ["", ""]


def test_disks_side_by_side_are_one_block_between_the_shutdown_and_the_start() -> None:
    wave = make(shutdown=True)
    disks = [wave.vms[0].disks[0].model_copy(update={"id": f"vd{n}"}) for n in range(3)]
    vm = wave.vms[0].model_copy(update={"disks": disks})
    wave = wave.model_copy(update={"disks_at_once": 2, "vms": [vm]})
    steps = vm_steps(wave, vm, SITE, Power.ON)
    (block,) = (b for b in blocks(steps) if len(b) > 1)
    ids = [[steps[i].id for i in lane] for lane in block]
    assert ids == [["import.0", "import.2"], ["import.1"]]
    before = [s.id for s in steps[: block[0][0]]]
    assert "off" in before
    assert "start" not in before
    one_by_one = vm_steps(wave.model_copy(update={"disks_at_once": 1}), vm, SITE, Power.ON)
    assert [replace(s, lane="") for s in steps] == list(one_by_one)
    assert not any(s.lane for s in vm_steps(wave, vm, SITE, Power.ON, exporting=True))


def test_where_disks_can_not_be_copied_side_by_side(tmp_path: Path) -> None:
    source: Any = object()

    def told(wave: Wave, machine: Machine) -> list[tuple[bool, str]]:
        plans = [d.model_copy(update={"id": f"d{n}"}) for n, d in enumerate(wave.vms[0].disks * 3)]
        wave = wave.model_copy(update={"vms": [wave.vms[0].model_copy(update={"disks": plans})]})
        found = source_findings.check(wave, source, {machine.id: machine})
        return [(f.holds, f.detail) for f in found if "side by side" in f.title]

    assert told(make(shutdown=True), MACHINE) == []
    both = make(shutdown=True).model_copy(update={"disks_at_once": 2})
    assert told(both, MACHINE) == []
    ((holds, why),) = told(both.model_copy(update={"staging": str(tmp_path)}), MACHINE)
    assert (holds, "staging" in why) == (False, True)
    warm = both.model_copy(update={"vms": [both.vms[0].model_copy(update={"warm": Warm()})]})
    assert told(warm, replace(MACHINE, power=Power.ON)) == [
        (True, "one after the other, since it is copied while it runs")
    ]
