"""Many hosts at once, by a real sshd: every failure is a value, limits hold."""

from __future__ import annotations

from pathlib import Path

from bench.sshd import keygen
from blue_wizard.reach import fanout, ssh
from blue_wizard.reach.faults import Fault

from .conftest import Site


def test_fifty_hosts_of_which_five_are_dead(site: Site) -> None:
    names = [f"n{i}" for i in range(50)]
    dead = set(names[::10])
    hosts = {n: {"address": "127.0.0.1", "port": 1} if n in dead else site.at(site.servers.main) for n in names}
    site.write(hosts=hosts)
    heard: list[str] = []
    answers = fanout.run_all([ssh.host(n) for n in names], ["true"], on_result=lambda a: heard.append(a.host.name))
    assert [a.host.name for a in answers] == names
    assert sorted(heard) == sorted(names)
    assert {a.host.name for a in answers if a.fault is Fault.UNREACHABLE} == dead
    assert {a.host.name for a in answers if a.ok} == set(names) - dead


def test_every_kind_of_failure_beside_a_success(site: Site, tmp_path: Path) -> None:
    main = site.servers.main
    other = keygen(tmp_path / "other_key")
    site.known_hosts.write_text(
        site.servers.known(main, site.servers.weak) + f"[127.0.0.1]:{site.servers.jump.port} {other}\n"
    )
    site.write(
        hosts={
            "good": site.at(main, sudo=True),
            "gone": {"address": "127.0.0.1", "port": 1},
            "changed": site.at(site.servers.jump),
            "locked": site.at(main, user="no-such-user"),
            "weak": site.at(site.servers.weak, sudo=True),
        }
    )
    tasks = [(ssh.host(n), ["true"]) for n in ("good", "gone", "changed", "locked", "weak")]
    tasks += [(ssh.host("good"), ["false"]), (ssh.host("good"), ["sleep", "9"])]
    found = fanout.run_many(tasks, timeout_s=2, root=True)
    expected = [None, Fault.UNREACHABLE, Fault.HOST_KEY, Fault.LOGIN, Fault.SUDO, Fault.STATUS, Fault.TIMEOUT]
    assert [a.fault for a in found] == expected
    assert all(a.message for a in found if not a.ok)


def test_the_limits_hold(site: Site, tmp_path: Path) -> None:
    site.write(hosts={f"n{i}": site.at(site.servers.main) for i in range(9)})
    # Each says how many there are with it.
    script = f"mkdir {tmp_path}/in.$$; ls -d {tmp_path}/in.* | wc -l; sleep 0.3; rmdir {tmp_path}/in.$$"
    argv = ["sh", "-c", script]
    hosts = [ssh.host(f"n{i}") for i in range(9)]
    together = [int(a.result.stdout) for a in fanout.run_all(hosts, argv, limit=3) if a.result]
    assert len(together) == 9
    assert max(together) == 3
    one = [int(a.result.stdout) for a in fanout.run_many([(hosts[0], argv)] * 6, per_host=2) if a.result]
    assert len(one) == 6
    assert max(one) == 2


def test_a_host_that_refuses_the_login_is_asked_once(site: Site, tmp_path: Path) -> None:
    keygen(tmp_path / "wrong")
    site.write(identity=tmp_path / "wrong", hosts={"one": site.at(site.servers.main)})
    log = site.servers.folder / "main.log"
    before = log.read_text().count("Connection closed by authenticating user")
    found = fanout.run_many([(ssh.host("one"), ["true"])] * 5)
    assert {a.fault for a in found} == {Fault.LOGIN}
    assert log.read_text().count("Connection closed by authenticating user") - before <= 1
