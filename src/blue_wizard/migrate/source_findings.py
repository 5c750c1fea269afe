"""What has to hold at the source before anything is made: is each machine as the wave says, whole, and may it be moved?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext

from blue_wizard.errors import BlueWizardError
from blue_wizard.migrate import guest_look, looking
from blue_wizard.migrate.machine import Machine, Power
from blue_wizard.migrate.preconditions import Finding
from blue_wizard.migrate.source import Exporting, Source
from blue_wizard.migrate.warm.protocol import PowerCut, Terms, WarmReading
from blue_wizard.migrate.wave import VmPlan, Wave
from blue_wizard.text import _

__all__ = ["Counted", "check", "disk_findings", "terms", "uncounted", "warm_remarks"]

Counted = Callable[[str, int], AbstractContextManager[Callable[[str], object]]]
"""Shows that something is done to so many objects; gives what is called with the name of each that is done."""


def uncounted(_what: str, _total: int) -> AbstractContextManager[Callable[[str], object]]:
    """Nobody watches."""
    return nullcontext(lambda _name: None)


def check(wave: Wave, source: Source, machines: Mapping[str, Machine], counted: Counted = uncounted) -> list[Finding]:
    """The findings on all machines of a wave, several of which are looked at side by side.

    `machines` is what the source has, by id. Raises only what is no BlueWizardError, or comes from a look inside a disk.
    """
    known = [(vm, machines[vm.id]) for vm in wave.vms if vm.id in machines]
    with counted(_("checks at the source"), len(known)) as count:
        looks = looking.at_each(
            source,
            wave.source,
            known,
            lambda opened, pair: list(_vm_findings(wave, *pair, opened)),
            at_once=looking.AT_ONCE,
            ended=lambda pair: count(pair[0].name),
        )
    found = [
        Finding(_("{vm}: the source has no {id}").format(vm=vm.name, id=vm.id), False, "", True)
        for vm in wave.vms
        if vm.id not in machines
    ]
    found += [f for look in looks for f in look]
    if any(not f.holds for f in found):
        return found
    return [Finding(_("the source is whole, and as planned"), True), *found]


def _vm_findings(wave: Wave, vm: VmPlan, machine: Machine, source: Source) -> Iterator[Finding]:
    title = _("{vm}: it can be moved").format(vm=vm.name)
    yield from (Finding(title, False, reason) for reason in machine.blockers)
    yield from disk_findings(vm, machine)
    if vm.convert:
        title = _("{vm}: it can be converted").format(vm=vm.name)
        yield from (Finding(title, False, reason) for reason in guest_look.look(source, machine).unconvertible)
    yield from _side_by_side(wave, vm, machine, source)
    yield from _power_findings(vm, machine, source)
    if vm.warm and machine.power is Power.ON:
        yield from _warm_findings(wave, vm, source)
    yield from _reading_findings(vm, machine, source)


def _side_by_side(wave: Wave, vm: VmPlan, machine: Machine, source: Source) -> Iterator[Finding]:
    """Where its disks can't be copied several at once as the wave says."""
    if min(wave.disks_at_once, len(vm.disks)) > 1:
        title = _("{vm}: its disks are copied side by side").format(vm=vm.name)
        if wave.staging:
            detail = _(
                "not through a staging folder, which has room for one of them: leave out staging or disks_at_once"
            )
            yield Finding(title, False, detail, True)
        elif vm.warm and machine.power is Power.ON:
            yield Finding(title, True, _("one after the other, since it is copied while it runs"))
        elif isinstance(source, Exporting):
            detail = _("one after the other, since what is made of each at the source takes room there")
            yield Finding(title, True, detail)


def _power_findings(vm: VmPlan, machine: Machine, source: Source) -> Iterator[Finding]:
    """May it be shut down or switched off, and can it be?"""
    if machine.power is Power.ON and not vm.shutdown:
        title = _("{vm}: its shutdown is allowed").format(vm=vm.name)
        yield Finding(title, False, _("it runs; say shutdown: true in the wave, or plan with --shutdown"))
    deaf = getattr(source, "deaf", None)
    if deaf is not None and machine.power is Power.ON and not vm.power_off and (reason := deaf(vm.id)):
        yield Finding(_("{vm}: it can be shut down").format(vm=vm.name), False, reason, True)
    if vm.power_off and not isinstance(source, PowerCut):
        title = _("{vm}: it can be switched off").format(vm=vm.name)
        yield Finding(title, False, _("this source only asks the guest"), True)


def _reading_findings(vm: VmPlan, machine: Machine, source: Source) -> Iterator[Finding]:
    """How are its disks read, and are they whole?"""
    ways = getattr(source, "ways", None)
    if ways is not None and not machine.blockers:
        title = _("{vm}: how its disks are read").format(vm=vm.name)
        try:
            yield Finding(title, True, "; ".join(ways(vm.id)))
        except BlueWizardError as e:
            yield Finding(title, False, e.message, True)
    checker = getattr(source, "check", None)
    if checker is not None:
        try:
            checker(vm.id, lambda: None)
        except BlueWizardError as e:
            yield Finding(vm.name, False, e.message, True)


def terms(source: Source, vm: VmPlan) -> Terms:
    """On what terms it is copied warm; what keeps it from that is among them."""
    if isinstance(source, WarmReading):
        return source.warm_terms(vm.id)
    return Terms((_("this source is only read while its machines are off"),))


def _warm_findings(wave: Wave, vm: VmPlan, source: Source) -> list[Finding]:
    """Can it be copied while it runs, into what the wave names?"""
    title = _("{vm}: it can be copied while it runs").format(vm=vm.name)
    found_terms = terms(source, vm)
    found = [Finding(title, False, reason) for reason in found_terms.blockers]
    if vm.storage != "rbd":
        found.append(Finding(title, False, _("only into storage: rbd yet"), True))
    if wave.staging:
        found.append(Finding(title, False, _("not through a staging folder: leave staging out of the wave"), True))
    return found or [Finding(title, True, "; ".join(found_terms.notes))]


def warm_remarks(wave: Wave, source: Source) -> list[str]:
    """What a person should know of machines that are copied while they run: what is changed for it, what makes it slow."""
    found = [(vm.name, terms(source, vm)) for vm in wave.vms if vm.warm]
    return [f"{name}: {text}" for name, t in found for text in (*t.blockers, *filter(None, [t.prepare]), *t.notes)]


def disk_findings(vm: VmPlan, machine: Machine) -> Iterator[Finding]:
    """The disks of the wave that are not what the machine has, and those of the machine that are not in the wave (pure)."""
    now = {d.id: d for d in machine.disks}
    called = {d.named: d for d in machine.disks if d.named}
    for disk in vm.disks:
        if disk.id in now and now[disk.id].size == disk.size:
            continue
        if disk.id in now:
            text = _("{planned} bytes in the wave, {now} at the source")
            detail = text.format(planned=disk.size, now=now[disk.id].size)
        elif disk.id in called:
            text = _(
                "the wave has nothing but a name that may be another disk's by now, {id} at the moment; make the wave again"
            )
            detail = text.format(id=called[disk.id].id)
        else:
            detail = _("the source has no such disk, but {disks}").format(disks=", ".join(now) or "-")
        yield Finding(_("{vm}: disk {disk} is as planned").format(vm=vm.name, disk=disk.id), False, detail, True)
    left = now.keys() - {d.id for d in vm.disks}
    if left:
        # The wave may mean it; a disk that came after the wave was written would stay behind unseen.
        title = _("{vm}: disks of the source that stay there").format(vm=vm.name)
        yield Finding(title, True, _("not in the wave: {disks}").format(disks=", ".join(sorted(left))))
