"""OVN on a host: its controller there, and what the southbound database says of the host's ports. Reads only. Python 3.6."""

import json
import re
from typing import Any, Dict, List

from blue_wizard.diagnose.agent.commands import Answer, as_map, option, processes, read, run, wrapping

OVN_CONTAINERS = ("ovn_controller",)


class Southbound:
    """OVN's southbound database, asked for single rows: a client that keeps a copy of it is too slow in large clouds."""

    def __init__(self, wrap: List[str], remotes: str) -> None:
        self._remotes = [r.strip() for r in remotes.split(",") if r.strip()]
        self._argv = [*wrap, "ovsdb-client", "-t", "5", "-f", "json"]
        if any(r.startswith("ssl:") for r in self._remotes):
            for words in command_lines("ovn-controller"):
                for short, long in (("-p", "--private-key"), ("-c", "--certificate"), ("-C", "--ca-cert")):
                    value = option(words, long) or option(words, short)
                    self._argv += [short, value] if value else []

    def select(self, *questions: Answer) -> Answer:
        """One transaction; of several servers the first that answers. `rows` has a list for each question."""
        transaction = json.dumps(["OVN_Southbound", *(dict(q, op="select") for q in questions)])
        answer: Answer = {"rc": 2, "out": "", "err": "no address of the database"}
        for address in self._remotes:
            answer = run([*self._argv, "query", address, transaction])
            if answer["rc"] == 0:
                break
        try:
            answer["rows"] = [found["rows"] for found in json.loads(answer.pop("out"))] if answer["rc"] == 0 else []
        except (KeyError, TypeError, ValueError):
            answer.update(rc=2, rows=[], err="no rows")
        return answer


def command_lines(name: str) -> List[List[str]]:
    """The command lines of the processes of that name."""
    found = []
    for process in processes(name):
        found.append((read("/proc/%d/cmdline" % process["pid"]) or "").split("\0"))
    return found


def logical_flow(base: Southbound, datapath: Any, text: str) -> Answer:
    """The logical flow behind the OpenFlow flow in which a trace ends: its cookie is the beginning of the other's UUID.

    OVN's ingress tables begin at OpenFlow table 8 (OFTABLE_LOG_INGRESS_PIPELINE of OVN). A flow that several networks share
    names a group of them and no network of its own (ovn-sb(5), logical_dp_group).
    """
    steps = re.findall(r"^\s*(\d+)\. .*?cookie 0x([0-9a-f]+)", text.partition("Final flow:")[0], re.M)
    ingress = [(int(table), cookie) for table, cookie in steps if 8 <= int(table) < 40]
    if not ingress:
        return {"rc": 2, "err": "the trace has no logical flow"}
    table, cookie = ingress[-1]
    where = [["table_id", "==", table - 8], ["pipeline", "==", "ingress"]]
    columns = ["_uuid", "match", "actions", "external_ids"]
    owners = (datapath, ["set", []])
    answer = base.select(
        *(
            {"table": "Logical_Flow", "where": [*where, ["logical_datapath", "==", owner]], "columns": columns}
            for owner in owners
        )
    )
    rows_of = answer.pop("rows")[: len(owners)]
    fitting = [row for rows_ in rows_of for row in rows_ if row["_uuid"][1].startswith(cookie.rjust(8, "0"))]
    answer["flow"] = fitting[0] if fitting else None
    return answer


def dhcp_flows(base: Southbound, datapath: Any) -> Answer:
    """The logical flows of a network that answer DHCP: two for each of its ports."""
    stage = ["external_ids", "includes", ["map", [["stage-name", "ls_in_dhcp_options"]]]]
    where = [stage, ["logical_datapath", "==", datapath]]
    return base.select({"table": "Logical_Flow", "where": where, "columns": ["match", "actions"]})


def of_port(answer: Answer, port: str) -> Answer:
    """The same answer with the rows that name the port alone. The database compares whole texts only."""
    return dict(answer, rows=[[row for row in found if '"%s"' % port in row["match"]] for found in answer["rows"]])


def ovn(tables: List[List[Answer]], ports: Dict[str, str], traces: Dict[str, Answer]) -> Answer:
    """OVN's controller on this host, and what the southbound database says of some ports (their ids to their traces' names)."""
    wrap = wrapping("ovn-appctl", OVN_CONTAINERS)
    settings = as_map(tables[4][0]["external_ids"]) if len(tables) == 5 and tables[4] else {}
    base = Southbound(wrap, settings.get("ovn-remote", ""))
    found: Answer = {
        "processes": processes("ovn-controller"),
        "connection": run([*wrap, "ovn-appctl", "-T", "4", "-t", "ovn-controller", "connection-status"]),
        "ports": {},
    }
    all_of_it = base.select(
        {"table": "Chassis", "where": [], "columns": ["_uuid", "name", "hostname", "encaps"]},
        {"table": "Encap", "where": [["chassis_name", "==", settings.get("system-id", "")]]},
        *({"table": "Port_Binding", "where": [["logical_port", "==", port]]} for port in ports),
    )
    networks: Dict[str, Answer] = {}
    for number, (port, trace_name) in enumerate(ports.items(), 2):
        rows_of = all_of_it["rows"]
        seen = dict(all_of_it, rows=[rows_of[number], *rows_of[:2]] if rows_of else [])
        found["ports"][port] = seen
        if seen["rc"] != 0 or not seen["rows"][0]:
            continue
        datapath = seen["rows"][0][0]["datapath"]
        if datapath[1] not in networks:
            networks[datapath[1]] = dhcp_flows(base, datapath)
        seen["dhcp"] = of_port(networks[datapath[1]], port)
        seen["ended"] = logical_flow(base, datapath, traces.get(trace_name, {}).get("out", ""))
    return found
