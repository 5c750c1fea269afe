"""`blue-wizard doctor` as a command, on hosts that are real: one well, one strange, one without sudo, one dead."""

from __future__ import annotations

import json
from typing import Any

import pytest

from blue_wizard.cli import main

from .conftest import Site


def _doctor(capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, dict[str, Any]]]:
    code = main(["doctor", "-o", "json"])
    return code, {line["what"]: line for line in json.loads(capsys.readouterr().out)["lines"]}


def test_each_host_is_told_with_what_ails_it(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    main_, jump, weak = site.servers.main, site.servers.jump, site.servers.weak
    site.known_hosts.write_text(site.servers.known(main_, weak))
    site.write(
        hosts={
            "well": site.at(main_, sudo=True),
            "stranger": site.at(jump),
            "weak": site.at(weak, sudo=True),
            "dead": {"address": "127.0.0.1", "port": 1},
            "boxed": site.at(main_, runtime="docker"),
        },
        sources={"old": {"url": "kvm+ssh://root@stranger"}},
    )
    code, found = _doctor(capsys)
    assert code == 1
    assert {n: found[f"host {n}"]["status"] for n in ("well", "stranger", "weak", "dead", "boxed")} == {
        "well": "ok",
        "stranger": "failed",
        "weak": "failed",
        "dead": "failed",
        "boxed": "ok",
    }
    assert "sudo works" in found["host well"]["detail"]
    assert "host key of stranger is not known" in found["host stranger"]["detail"]
    assert "fingerprint" in found["host stranger"]["remedy"]
    assert "sudo on weak refuses" in found["host weak"]["detail"]
    assert "can't be reached" in found["host dead"]["detail"]
    assert "host key of stranger" in found["source old"]["detail"]
    # Nothing of it hides what is well on this machine.
    assert found["ledger"]["status"] == "ok"


def test_a_source_behind_an_unknown_key_is_bad_input(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.known_hosts.write_text("")
    site.write(hosts={"stranger": site.at(site.servers.main)})
    assert main(["migrate", "discover", "kvm+ssh://root@stranger"]) == 2
    assert "The host key of stranger is not known" in capsys.readouterr().err


def test_in_chinese(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.write(hosts={"dead": {"address": "127.0.0.1", "port": 1}})
    assert main(["--lang", "zh", "doctor"]) == 1
    shown = capsys.readouterr().out
    assert "主机 dead" in shown
    assert "失败" in shown


def test_a_machine_that_knows_no_cloud_is_told_so(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = _doctor(capsys)
    assert code == 1
    assert "No cloud was named, and clouds.yaml has 0." in found["cloud"]["detail"]
    assert "--cloud NAME" in found["cloud"]["remedy"]
