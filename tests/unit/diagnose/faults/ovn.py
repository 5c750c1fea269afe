"""OVN: its controller, its southbound database, the flows made of it, and the metadata beside it."""

from __future__ import annotations

import json
from typing import Any

from tests.unit.diagnose.cases import found, lost
from tests.unit.diagnose.seen import OVN, OVN_METADATA, Seen, dropped, unmatched

ANSWER = ("compute-br-int", "dhcp-server")
PORT, PROXY = ("compute-br-int", "metadata-port"), ("metadata-port", "metadata-proxy")
OTHER = ["uuid", "0c9a0000-0000-4000-8000-000000000009"]


def _settings(s: Seen, **values: str) -> None:
    """Change settings of the whole switch (external_ids)."""

    def change(row: dict[str, Any]) -> bool:
        row["external_ids"] = ["map", [[k, v] for k, v in {**dict(row["external_ids"][1]), **values}.items()]]
        return True

    s.rows(s.cmp, 4, change)


def _ended(s: Seen, stage: str, actions: str = "drop;") -> None:
    """The request ends in a logical flow."""
    s.traced(s.cmp, "compute-request", dropped("br-int", 10))
    s.ovn["ended"] = {"rc": 0, "err": "", "flow": {
        "match": "1", "actions": actions, "external_ids": ["map", [["stage-name", stage]]]}}  # fmt: skip


def _space(s: Seen) -> dict[str, Any]:
    return s.cmp["spaces"][f"ovnmeta-{s.network['id']}"]  # type: ignore[no-any-return]


def _veth(s: Seen, end: int) -> str:
    return f"tap{s.network['id'][:10]}{end}"


@lost("ovn.controller-down", OVN, ANSWER)
def controller_gone(s: Seen) -> None:
    s.cmp["ovn"].update(processes=[], connection={"rc": 1, "out": "", "err": "no such file"})


@lost("ovn.controller-down", OVN, ANSWER)
def controller_stopped(s: Seen) -> None:
    s.cmp["ovn"]["processes"][0]["state"] = "T"


@found("ovn.controller-down", OVN_METADATA)
def controller_gone_beside_metadata(s: Seen) -> None:
    s.cmp["ovn"].update(processes=[], connection={"rc": 1, "out": "", "err": "no such file"})


@found("ovn.disconnected", OVN)
def disconnected(s: Seen) -> None:
    s.cmp["ovn"]["connection"]["out"] = "not connected\n"


@lost("ovn.disconnected", OVN, ANSWER)
def disconnected_before_it_was_wired(s: Seen) -> None:
    disconnected(s)
    s.traced(s.cmp, "compute-request", unmatched("br-int", 0))


@lost("ovn.port-missing", OVN, ANSWER)
def not_in_the_database(s: Seen) -> None:
    s.ovn["rows"][0] = []
    s.traced(s.cmp, "compute-request", unmatched("br-int", 0))


@lost("ovn.not-bound", OVN, ANSWER)
def claimed_by_nobody(s: Seen) -> None:
    s.ovn["rows"][0][0]["chassis"] = ["set", []]
    s.traced(s.cmp, "compute-request", unmatched("br-int", 0))


@lost("ovn.bound-elsewhere", OVN, ANSWER)
def claimed_by_another(s: Seen) -> None:
    s.ovn["rows"][0][0]["chassis"] = OTHER
    s.ovn["rows"][1].append({"_uuid": OTHER, "name": "cmp9", "hostname": "cmp9", "encaps": ["set", []]})
    s.traced(s.cmp, "compute-request", unmatched("br-int", 0))


@lost("ovn.no-dhcp-options", OVN, ANSWER)
def no_options(s: Seen) -> None:
    s.ovn["dhcp"]["rows"] = [[]]
    s.traced(s.cmp, "compute-request", dropped("br-int", 36))


@lost("ovn.wrong-offer", OVN, ("dhcp-server", "compute-br-int"), "reply")
def another_address(s: Seen) -> None:
    text = json.dumps(s.ovn["dhcp"]["rows"])
    s.ovn["dhcp"]["rows"] = json.loads(text.replace("offerip = 10.7.0.5,", "offerip = 10.7.0.77,"))


@lost("ovn.flows-missing", OVN, ANSWER)
def flows_deleted(s: Seen) -> None:
    s.traced(s.cmp, "compute-request", unmatched("br-int", 0))


@lost("ovn.flows-missing", OVN, ("compute-br-int", "tap"), "reply")
@lost("ovn.flows-missing", OVN_METADATA, ("compute-br-int", "tap"), "reply")
def flow_to_the_port_deleted(s: Seen) -> None:
    s.flow_gone(s.cmp, "br-int", f"actions=output:{s.ofport(s.cmp, f'tap{s.short}')}$")


@lost("ovn.port-security", OVN, ANSWER)
def mac_not_allowed(s: Seen) -> None:
    s.ovn["rows"][0][0]["port_security"] = "fa:16:3e:00:00:66 10.7.0.5"
    _ended(s, "ls_in_check_port_sec")


@lost("ovn.dropped", OVN, ANSWER)
def access_list(s: Seen) -> None:
    _ended(s, "ls_in_acl")


@found("ovn.encap-address", OVN)
def tunnels_end_elsewhere(s: Seen) -> None:
    _settings(s, **{"ovn-encap-ip": "10.6.0.77"})


@found("ovn.encap-address", OVN)
def others_are_told_another_address(s: Seen) -> None:
    s.ovn["rows"][2][0]["ip"] = "10.6.0.77"


@found("ovn.no-bridge-mapping", OVN)
def no_bridge_for_the_provider(s: Seen) -> None:
    s.network.update({"provider:network_type": "vlan", "provider:physical_network": "physnet1"})


@found("ovn.no-bridge-mapping", OVN)
def the_bridge_is_not_there(s: Seen) -> None:
    no_bridge_for_the_provider(s)
    _settings(s, **{"ovn-bridge-mappings": "physnet1:br-ex"})


@found("l2.agent-dead", OVN)
def agent_dead(s: Seen) -> None:
    assert s.api.agents is not None
    s.api.agents[0]["alive"] = False


@found("ovn.no-metadata", OVN)
def no_metadata_namespace(s: Seen) -> None:
    assert s.api.agents is not None
    s.api.agents.append({**s.api.agents[0], "agent_type": "OVN Metadata agent"})


@lost("ovn.no-metadata", OVN_METADATA, PORT)
def namespace_gone(s: Seen) -> None:
    s.cmp["netns"]["out"] = ""
    _space(s).update(namespace=None, inside={}, proxies=[])


@lost("ovn.no-metadata", OVN_METADATA, PORT)
def no_metadata_port(s: Seen) -> None:
    s.api.aim["distributed"].clear()


@lost("ovn.no-metadata", OVN_METADATA, PORT)
def outer_end_gone(s: Seen) -> None:
    s.link_gone(s.cmp, _veth(s, 0))


@lost("ovn.no-metadata", OVN_METADATA, PORT)
def outer_end_down(s: Seen) -> None:
    s.link_down(s.cmp, _veth(s, 0))


@lost("ovn.no-metadata", OVN_METADATA, PORT)
def inner_end_gone(s: Seen) -> None:
    s.link_gone(_space(s)["inside"], _veth(s, 1))


@lost("ovn.no-metadata", OVN_METADATA, PORT)
def inner_end_down(s: Seen) -> None:
    s.link_down(_space(s)["inside"], _veth(s, 1))


@lost("ovn.no-metadata", OVN_METADATA, PORT)
def outer_end_not_plugged(s: Seen) -> None:
    s.port_gone(s.cmp, _veth(s, 0))
    s.traced(s.cmp, "compute-request", dropped("br-int", 65))


@lost("ovn.port-missing", OVN_METADATA, PORT)
def metadata_port_not_in_the_database(s: Seen) -> None:
    s.far_ovn["rows"][0] = []
    s.traced(s.cmp, "compute-request", dropped("br-int", 36))


@lost("ovn.port-missing", OVN_METADATA, PORT)
def metadata_port_of_one_host(s: Seen) -> None:
    s.far_ovn["rows"][0][0]["type"] = ""
    s.traced(s.cmp, "compute-request", dropped("br-int", 36))


@lost("ovn.flows-missing", OVN_METADATA, PORT)
def flows_to_metadata_deleted(s: Seen) -> None:
    s.traced(s.cmp, "compute-request", unmatched("br-int", 0))


@lost("ovs.dropped", OVN_METADATA, ("metadata-port", "compute-br-int"), "reply")
def flows_from_metadata_deleted(s: Seen) -> None:
    s.traced(s.cmp, "compute-reply", unmatched("br-int", 0))


@lost("sg.egress", OVN_METADATA, ("tap", "compute-br-int"))
def group_closed(s: Seen) -> None:
    s.api.aim["groups"]["group"]["security_group_rules"].clear()


@lost("metadata.redirect-missing", OVN_METADATA, PROXY)
def metadata_address_gone(s: Seen) -> None:
    s.edit(_space(s)["inside"]["addr"], r"169\.254\.169\.254", "10.7.0.3")


@lost("metadata.proxy-down", OVN_METADATA, PROXY)
def proxy_gone(s: Seen) -> None:
    _space(s)["proxies"].clear()


@lost("metadata.agent-down", OVN_METADATA, PROXY)
def metadata_agent_gone(s: Seen) -> None:
    s.cmp["unix"] = [path for path in s.cmp["unix"] if "metadata" not in path]
