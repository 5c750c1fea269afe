"""`blue-wizard diagnose ...`."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from blue_wizard import config
from blue_wizard.commands.job import OutputOption
from blue_wizard.errors import InputError
from blue_wizard.report.out import emit
from blue_wizard.text import _

if TYPE_CHECKING:
    from blue_wizard.diagnose.aim import Aim
    from blue_wizard.diagnose.bundle import Bundle
    from blue_wizard.reach import ssh

__all__ = ["app"]

app = App(name="diagnose", help=_("Find out what is wrong, and where."), result_action="return_value")


@app.command(help=_("Why has this server no network? Follows a DHCP request hop by hop. Only reads."))
def network(
    server: Annotated[str | None, Parameter(help=_("Id or name of the server."))] = None,
    /,
    *,
    to: Annotated[
        str | None, Parameter(help=_("Follow a packet to this IPv4 address instead of a DHCP request. Only reads."))
    ] = None,
    protocol: Annotated[
        str | None, Parameter(help=_("What is sent there: icmp, tcp/PORT or udp/PORT (default: icmp)."))
    ] = None,
    port: Annotated[str | None, Parameter(help=_("Only this port of it (an id, or how one begins)."))] = None,
    bundle: Annotated[
        Path | None, Parameter(help=_("Also write all that was seen to this file (.json or .json.gz)."))
    ] = None,
    from_: Annotated[
        Path | None, Parameter(name="--from", help=_("Judge what is in such a file, and ask nobody."))
    ] = None,
    inject: Annotated[
        bool, Parameter(negative=(), help=_("Send a DHCP request in the server's place, and watch it at every hop."))
    ] = False,
    capture: Annotated[
        float, Parameter(help=_("Watch every hop for so many seconds for what the server itself sends."))
    ] = 0.0,
    watch: Annotated[float, Parameter(help=_("Look again every so many seconds, and show what changed."))] = 0.0,
    clean: Annotated[
        bool, Parameter(negative=(), help=_("Only remove what a diagnosis that was killed has left on the hosts."))
    ] = False,
    picture: Annotated[
        Path | None, Parameter(name="--report", help=_("Also write what is shown to this file (.svg or .html)."))
    ] = None,
    output: OutputOption = "table",
) -> int:
    """Why has this server no network?"""
    from blue_wizard.diagnose import bundle as files
    from blue_wizard.diagnose.judge import judge
    from blue_wizard.report.diagnosis import diagnosis_data, diagnosis_text, write_picture

    if picture is not None and picture.suffix not in {".svg", ".html"}:
        raise InputError(
            _("{file} is neither .svg nor .html.").format(file=picture), _("Choose a name that ends in one of them.")
        )
    if clean:
        return _clean(output)
    if (server is None) == (from_ is None):
        raise InputError(
            _("Say which server to diagnose, or a file with --from."),
            _("For example: blue-wizard diagnose network web-1"),
        )
    aim = _aim(to, protocol, active=from_ is not None or inject or bool(capture))

    def look() -> Bundle:
        return _look(str(server), port, inject=inject, capture=capture, aim=aim)

    if watch and from_ is None:
        return _watch(look, watch, output)
    seen = files.read(from_) if from_ is not None else look()
    if bundle is not None:
        files.write(seen, bundle)
    report = judge(seen)
    if picture is not None:
        write_picture(report, picture)
    emit(diagnosis_data(report), output, lambda: diagnosis_text(report))
    return 0 if report.healthy else 1


def _aim(to: str | None, protocol: str | None, *, active: bool) -> Aim | None:
    from blue_wizard.diagnose.aim import parse

    if to is None:
        if protocol is not None:
            raise InputError(_("--protocol says what is sent to an address."), _("Say the address, too: --to ADDRESS"))
        return None
    if active:
        raise InputError(
            _("--to only reads, and asks the hosts anew: it does not go with --from, --inject or --capture."),
            _("Leave those out."),
        )
    return parse(to, protocol)


def _look(server: str, port: str | None, *, inject: bool, capture: float, aim: Aim | None = None) -> Bundle:
    from blue_wizard.diagnose.ask import ask
    from blue_wizard.diagnose.ask_to import ask_to
    from blue_wizard.diagnose.collect import collect
    from blue_wizard.reach import openstack

    began = time.monotonic()
    cloud = openstack.connect(openstack.cloud_name())
    open_host = _hosts()
    api = ask(cloud, server, port)
    if aim is not None:
        ask_to(cloud, api, aim)
    seen = collect(api, open_host)
    if inject or capture:
        from blue_wizard.diagnose.packet import follow

        follow(seen, open_host, inject=inject, listen_s=capture)
    seen.took_s = round(time.monotonic() - began, 2)
    return seen


def _watch(look: Callable[[], Bundle], every_s: float, output: OutputOption) -> int:
    """Until interrupted; ends with the last verdict. As data each look is written whole, one document after the other."""
    from blue_wizard.diagnose.judge import judge
    from blue_wizard.report.diagnosis import changes_text, diagnosis_data, diagnosis_text
    from blue_wizard.report.out import console

    out, before = console(), None
    try:
        while True:
            report = judge(look())
            if output != "table":
                emit(diagnosis_data(report), output, tuple)
            else:
                for part in diagnosis_text(report) if before is None else changes_text(before, report):
                    out.print(part, markup=False)
            before = report
            time.sleep(every_s)
    except KeyboardInterrupt:
        return 0 if before is not None and before.healthy else 1


def _clean(output: OutputOption) -> int:
    """On every host of the inventory that a run can have left something on; 1 where one was not asked, or may not be known."""
    from blue_wizard.diagnose.janitor import clean_all
    from blue_wizard.reach import inventory
    from blue_wizard.report.diagnosis import cleaned_text
    from blue_wizard.report.out import errors, plain

    settings = config.load()
    known = inventory.read(settings.cloud_names)
    for origin, error in known.failed:
        errors().print(_("hosts from {origin}").format(origin=origin) + f": {error.message}", markup=False)
    done = clean_all(known.hosts, open_host=_hosts())
    emit(plain(done), output, lambda: cleaned_text(done))
    return 1 if known.failed or any(c.error for c in done) else 0


def _hosts() -> Callable[[str], ssh.Host]:
    """Finds hosts by the names that Neutron and Nova have for them; the Ansible inventory is read when it is needed."""
    from functools import lru_cache

    from blue_wizard.reach import inventory, ssh

    settings = config.load()

    @lru_cache
    def known() -> dict[str, ssh.Host]:
        if settings.inventory.ansible is None and not settings.inventory.ceph_orch:
            return {e.name.lower(): inventory.open_host(e) for e in inventory.configured(settings)}
        return {e.name.lower(): inventory.open_host(e) for e in inventory.read().hosts}

    def open_host(name: str) -> ssh.Host:
        wanted = name.lower()
        for label in (wanted, wanted.partition(".")[0]):
            if label in known():
                return known()[label]
        by_label = [h for n, h in known().items() if n.partition(".")[0] == wanted.partition(".")[0]]
        return by_label[0] if len(by_label) == 1 else ssh.host(name)

    return open_host
