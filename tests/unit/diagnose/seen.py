"""Recorded bundles of healthy servers, and ways to alter what was seen as a fault would."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from blue_wizard.diagnose import bundle as files
from blue_wizard.diagnose.bundle import Bundle
from blue_wizard.diagnose.judge import judge
from blue_wizard.diagnose.model import PortReport

GOLDEN = Path(__file__).parent / "golden"
HYBRID, OVSFW, TWO_PORTS, VLAN_OVSFW = "hybrid", "ovsfw", "two-ports", "vlan-ovsfw"
LINUXBRIDGE = "linuxbridge"
OVN, OVN_METADATA = "ovn", "ovn-metadata"
ALL = (HYBRID, OVSFW, TWO_PORTS, VLAN_OVSFW, LINUXBRIDGE, OVN, OVN_METADATA)


class Seen:
    """A recorded bundle. `cmp` and `net` are its hosts' answers.

    Those of OVN have no host of a DHCP server. That of metadata was made by ``--to``, and its far port is that of the metadata.
    """

    def __init__(self, name: str) -> None:
        self.bundle: Bundle = files.read(GOLDEN / f"{name}.json.gz")
        self.api = self.bundle.api
        self.port = self.api.ports[0]
        self.short = self.port["id"][:11]
        self.network = self.api.networks[self.port["network_id"]]
        far = [*self.api.dhcp_ports[self.network["id"]], *self.api.aim.get("distributed", ())]
        self.dhcp_port: dict[str, Any] = far[0] if far else {"id": "-", "binding:host_id": ""}
        self.dhcp_short = self.dhcp_port["id"][:11]
        self.compute, self.net_name = self.port["binding:host_id"], self.dhcp_port["binding:host_id"]

    @property
    def cmp(self) -> dict[str, Any]:
        """What the compute host said."""
        answers = self.bundle.hosts[self.compute].answers
        assert answers is not None
        return answers

    @property
    def net(self) -> dict[str, Any]:
        """What the network host said."""
        answers = self.bundle.hosts[self.net_name].answers
        assert answers is not None
        return answers

    @property
    def dhcp(self) -> dict[str, Any]:
        """The DHCP server's part of it."""
        return self.net["dhcp"][self.network["id"]]  # type: ignore[no-any-return]

    @property
    def ovn(self) -> dict[str, Any]:
        """What OVN's southbound database said of the first port."""
        return self.cmp["ovn"]["ports"][self.port["id"]]  # type: ignore[no-any-return]

    @property
    def far_ovn(self) -> dict[str, Any]:
        """What it said of the far port."""
        return self.cmp["ovn"]["ports"][self.dhcp_port["id"]]  # type: ignore[no-any-return]

    def report(self) -> PortReport:
        """The judgement on the first port."""
        return judge(self.bundle).ports[0]

    @staticmethod
    def edit(answer: dict[str, Any], pattern: str, text: str, count: int = 0) -> None:
        """Replace in what a command wrote. Raises AssertionError when nothing matches: the test would prove nothing."""
        new, times = re.subn(pattern, text, answer["out"], count=count, flags=re.M)
        assert times, pattern
        answer["out"] = new

    def rows(self, answers: dict[str, Any], table: int, change: Callable[[dict[str, Any]], bool]) -> None:
        """Change rows of the switch's database; `change` says whether it changed one. 0 Bridge, 1 Port, 2 Interface, 3 Mirror."""
        decoder, rest, documents = json.JSONDecoder(), answers["ovs"]["out"].strip(), []
        while rest:
            document, end = decoder.raw_decode(rest)
            documents.append(document)
            rest = rest[end:].strip()
        headings = documents[table]["headings"]
        changed, kept = False, []
        for row in documents[table]["data"]:
            fields = dict(zip(headings, row, strict=True))
            changed |= change(fields)
            if fields.get("_gone"):
                continue
            kept.append([fields[h] for h in headings])
        assert changed, "no row was changed"
        documents[table]["data"] = kept
        answers["ovs"]["out"] = "\n".join(json.dumps(d) for d in documents)

    def set_row(self, answers: dict[str, Any], table: int, row_name: str, /, **values: Any) -> None:
        """Give columns of one row other values."""

        def change(row: dict[str, Any]) -> bool:
            if row.get("name") != row_name:
                return False
            row.update(values)
            return True

        self.rows(answers, table, change)

    def set_option(self, answers: dict[str, Any], name: str, column: str, key: str, value: str) -> None:
        """Change one entry of a map of an interface."""

        def change(row: dict[str, Any]) -> bool:
            if row["name"] != name:
                return False
            entries = dict(row[column][1])
            entries[key] = value
            row[column] = ["map", list(map(list, entries.items()))]
            return True

        self.rows(answers, 2, change)

    def port_gone(self, answers: dict[str, Any], name: str) -> None:
        """A port leaves the switch."""
        refs: list[Any] = []

        def take(row: dict[str, Any]) -> bool:
            if row["name"] != name:
                return False
            refs.append(row["_uuid"])
            row["_gone"] = True
            return True

        self.rows(answers, 1, take)
        self.rows(answers, 2, take)

        def forget(row: dict[str, Any]) -> bool:
            before = row["ports"][1] if row["ports"][0] == "set" else [row["ports"]]
            row["ports"] = ["set", [p for p in before if p not in refs]]
            return True

        self.rows(answers, 0, forget)

    def link(self, answers: dict[str, Any], name: str, **values: Any) -> None:
        """Change one link of ``ip -j link``."""
        rows = json.loads(answers["link"]["out"])
        found = [row for row in rows if row["ifname"] == name]
        assert found, name
        found[0].update(values)
        answers["link"]["out"] = json.dumps(rows)

    def link_gone(self, answers: dict[str, Any], name: str) -> None:
        """A device is not there."""
        rows = json.loads(answers["link"]["out"])
        kept = [row for row in rows if row["ifname"] != name]
        assert len(kept) < len(rows), name
        answers["link"]["out"] = json.dumps(kept)

    def link_down(self, answers: dict[str, Any], name: str) -> None:
        """A device is switched off."""
        self.link(answers, name, flags=["BROADCAST", "MULTICAST"], operstate="DOWN")

    def flow_gone(self, answers: dict[str, Any], bridge: str, pattern: str) -> None:
        """Flows are deleted."""
        self.edit(answers["flows"][bridge], rf"^.*{pattern}.*\n", "")

    def traced(self, answers: dict[str, Any], name: str, text: str) -> None:
        """A trace of the first port says this instead."""
        key = f"{self.short}/{self.dhcp_short}/{name}"
        assert key in answers["traces"], key
        bridge = text.partition('bridge("')[2].partition('"')[0]
        cookie = re.search(r"cookie=(0x[0-9a-f]+)", answers["flows"][bridge]["out"])
        answers["traces"][key]["out"] = text.replace("0xagent", cookie[1] if cookie else "0x0")

    def ofport(self, answers: dict[str, Any], name: str) -> int:
        """The OpenFlow number of an interface."""
        numbers: list[int] = []
        self.rows(answers, 2, lambda row: row["name"] == name and not numbers.append(row["ofport"]))  # type: ignore[func-returns-value]
        return numbers[0]


def dropped(
    bridge: str, table: int, match: str = "", priority: int = 0, cookie: str = "0xagent", remark: str = ""
) -> str:
    """A trace that ends in a flow that drops."""
    head = f"{match}, priority {priority}, cookie {cookie}" if match else f"priority {priority}, cookie {cookie}"
    note = f"\n     >> {remark}" if remark else ""
    return (
        f'Flow: udp\n\nbridge("{bridge}")\n{"-" * 16}\n{table:2}. {head}\n    drop{note}\n\n'
        "Final flow: unchanged\nMegaflow: recirc_id=0\nDatapath actions: drop\n"
    )


def unmatched(bridge: str, table: int) -> str:
    """A trace that ends in a table without a flow for the packet."""
    return (
        f'Flow: udp\n\nbridge("{bridge}")\n{"-" * 16}\n{table:2}. No match.\n    drop\n\n'
        "Final flow: unchanged\nMegaflow: recirc_id=0\nDatapath actions: drop\n"
    )
