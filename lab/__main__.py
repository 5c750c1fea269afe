"""The commands of `lab/lab`."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys

from lab.run import LabError
from lab.site import EVERY_HOST, STATE


def main() -> int:
    """Run one command; its exit code."""
    parser = argparse.ArgumentParser(prog="lab/lab", description="a real private cloud on one machine")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="bring up what is down")
    commands.add_parser("down", help="leave nothing of the lab behind")
    status = commands.add_parser("status", help="ask every part whether it is alive; exit 0 when all are")
    status.add_argument("-o", choices=("table", "json"), default="table")
    execute = commands.add_parser("exec", help="run a command as root inside a host")
    execute.add_argument("host", choices=sorted(EVERY_HOST))
    execute.add_argument("argv", nargs=argparse.REMAINDER)
    commands.add_parser("env", help="print shell exports: . <(lab/lab env)")
    commands.add_parser("logs", help="print where the logs are")
    guest = commands.add_parser("guest", help="look at a guest from outside")
    guest.add_argument("server")
    guest.add_argument("what", choices=("console", "wait", "ping"))
    guest.add_argument("--text", default="LAB: ready")
    guest.add_argument("--timeout", type=float, default=120)
    guests = commands.add_parser("guests", help="the guests of the KVM host")
    guests.add_argument("what", choices=("reset",))
    add = commands.add_parser("add", help="an extra part: vcenter, scale, storage-vm, fleet, hyperv, physical, cloud-b")
    add.add_argument("part")
    add.add_argument(
        "size",
        nargs="?",
        type=int,
        help="how many hosts (fleet: 30), or small machines more (vcenter: 0)",
    )
    remove = commands.add_parser("remove", help="remove an extra part again: fleet, hyperv")
    remove.add_argument("part")
    vcenter = commands.add_parser("vcenter", help="the vCenter's machines as at first, or a fault of its own")
    vcenter.add_argument("what", choices=("reset", "expire", "faults", "machine", "state"))
    vcenter.add_argument(
        "json", nargs="?", default="{}", help="for faults and machine: the fields of lab/vcenter/door.go"
    )
    fault = commands.add_parser("fault", help="planted faults: list, inject, heal; stage, unstage")
    what = fault.add_subparsers(dest="what", required=True)
    listing = what.add_parser("list", help="all faults, and what must be found for each")
    listing.add_argument("-o", choices=("table", "json"), default="table")
    planting = what.add_parser("inject", help="plant a fault; one of the network on a server's port")
    planting.add_argument("name")
    planting.add_argument("--server", default="", help="name or id, for a fault of the network")
    planting.add_argument("--port", default="", help="the beginning of its id; else the first port that fits")
    healing = what.add_parser("heal", help="undo what is planted, also by a process that was killed")
    healing.add_argument("name", nargs="?")
    what.add_parser("stage", help="make the server, volume, image and port that health faults are planted on")
    what.add_parser("unstage", help="remove them")
    disk = commands.add_parser("disk", help="the disks of the storage host: list, fail, heal, slow, fast, pull, insert")
    disk.add_argument("host", choices=("sto1",))
    disk.add_argument("what", choices=("list", "fail", "heal", "slow", "fast", "pull", "insert", "reset"))
    disk.add_argument("name", nargs="?", default="")
    disk.add_argument("--serial", default="", help="of the disk that is put in")
    disk.add_argument("--size", type=int, help="GiB")
    disk.add_argument("--ssd", action="store_true", help="put in one that does not rotate")
    fixture = commands.add_parser("fixture", help="make web.ova and db.vhdx in a folder")
    fixture.add_argument("folder")
    args = parser.parse_args()
    try:
        return int(COMMANDS[args.command](args) or 0)
    except LabError as e:
        print(f"lab: {e}", file=sys.stderr)
        return 1


def _up(_: argparse.Namespace) -> None:
    from lab.up import up

    up()


def _down(_: argparse.Namespace) -> None:
    from lab.up import down

    down()


def _status(args: argparse.Namespace) -> int:
    from lab.up import status

    found = status()
    if args.o == "json":
        print(json.dumps(found, indent=2))
    else:
        for name, alive in found.items():
            print(f"{'up  ' if alive else 'DOWN'}  {name}")
    return 0 if all(found.values()) else 1


def _exec(args: argparse.Namespace) -> int:
    from lab.hosts import enter

    argv = args.argv[1:] if args.argv[:1] == ["--"] else args.argv
    command = [*enter(EVERY_HOST[args.host]), *(argv or ["bash"])]
    os.execvp(command[0], command)


def _env(_: argparse.Namespace) -> None:
    from lab.parts import wanted
    from lab.site import exports

    if not (STATE / "clouds.yaml").exists():
        raise LabError("the lab is not up: make lab")
    found = exports()
    for part in wanted().values():
        found |= part.extra() if part.extra else {}
    for name, value in found.items():
        print(f"export {name}={shlex.quote(value)}")


def _add(args: argparse.Namespace) -> None:
    from lab.up import add

    add(args.part, str(args.size or ""))


def _remove(args: argparse.Namespace) -> None:
    from lab.up import remove

    remove(args.part)


def _vcenter(args: argparse.Namespace) -> None:
    from lab.parts import vcenter

    if args.what == "reset":
        vcenter.reset()
    else:
        method = "GET" if args.what == "state" else "POST"
        print(json.dumps(vcenter.control(method, args.what, json.loads(args.json)), indent=2))


def _logs(_: argparse.Namespace) -> None:
    for file in sorted((STATE / "log").rglob("*.log")):
        print(file)


def _guest(args: argparse.Namespace) -> int:
    from lab import guest_view

    return guest_view.show(args.server, args.what, text=args.text, timeout=args.timeout)


def _guests(_: argparse.Namespace) -> None:
    from lab.parts.kvm_guests import reset

    reset()


def _fault(args: argparse.Namespace) -> None:
    from lab.faults import command

    if args.what == "list":
        command.show(args.o)
    elif args.what == "inject":
        command.plant(args.name, args.server, args.port)
    elif args.what in {"stage", "unstage"}:
        from lab.health import stage

        stage.make() if args.what == "stage" else stage.remove()
    else:
        command.heal(args.name)


def _disk(args: argparse.Namespace) -> None:
    from lab.parts.storage_vm import machine

    vm = machine()
    if args.what == "list":
        for d in vm.drives():
            print(f"{d.name}  slot {d.slot}  {d.serial}  {d.size} GiB  {'HDD' if d.rotates else 'SSD'}  {vm.file(d)}")
    elif args.what == "reset":
        vm.reset()
    elif args.what in {"fail", "heal"}:
        vm.fail(args.name, bad=args.what == "fail")
    elif args.what in {"slow", "fast"}:
        vm.slow(args.name, slow=args.what == "slow")
    elif args.what == "pull":
        vm.pull(args.name)
    else:
        if not args.serial:
            raise LabError("say --serial: of the disk that is put in")
        vm.insert(args.name, args.serial, size=args.size, rotates=False if args.ssd else None)


def _fixture(args: argparse.Namespace) -> None:
    from pathlib import Path

    from lab.guests.fixtures import demonstration

    demonstration(Path(args.folder))


COMMANDS = {
    "up": _up,
    "down": _down,
    "status": _status,
    "exec": _exec,
    "env": _env,
    "logs": _logs,
    "guest": _guest,
    "guests": _guests,
    "add": _add,
    "remove": _remove,
    "vcenter": _vcenter,
    "fault": _fault,
    "disk": _disk,
    "fixture": _fixture,
}

if __name__ == "__main__":
    sys.exit(main())
