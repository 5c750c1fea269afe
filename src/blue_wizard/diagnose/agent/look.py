"""Everything that the diagnosis reads on one host, in one go, as one JSON document on stdout. Changes nothing.

Runs on the host itself, fed to ``python3 -`` behind `commands.py` and `ovn.py`, with the questions as JSON in its only argument
(see `diagnose.collect`). Each answer is what a command wrote ({"rc", "out", "err"}), so that what can't be run is told apart from
what says nothing. Python 3.6.
"""

import base64
import json
import os
import re
import shutil
import sys
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import Dict, List, Optional, Tuple

from blue_wizard.diagnose.agent.commands import Answer, as_map, as_set, option, processes, read, rows, run, wrapping
from blue_wizard.diagnose.agent.ovn import ovn

OVS_CONTAINERS = ("openvswitch_vswitchd", "openvswitch-vswitchd")
LIBVIRT_CONTAINERS = ("nova_libvirt",)
DHCP_FOLDER = "/var/lib/neutron/dhcp"


def ovs_database(wrap: List[str]) -> Answer:
    """Bridges, ports, interfaces, mirrors and the switch itself, one JSON table a line."""
    tables = {
        "Bridge": "_uuid,name,ports,mirrors,fail_mode,datapath_type,protocols,other_config,external_ids",
        "Port": "_uuid,name,interfaces,tag,trunks,vlan_mode,other_config,external_ids,bond_mode",
        "Interface": "_uuid,name,type,ofport,admin_state,link_state,mtu,options,external_ids,error,"
        "ingress_policing_rate,mac_in_use,statistics",
        "Mirror": "_uuid,name,output_port,output_vlan,select_all,select_src_port,select_dst_port",
        "Open_vSwitch": "ovs_version,external_ids,other_config",
    }
    argv = [*wrap, "ovs-vsctl", "--timeout=5", "--format=json"]
    for table, columns in tables.items():
        argv += ["--", "--columns=" + columns, "list", table]
    return run(argv)


class Switch:
    """Where interfaces are, by what is known of them."""

    def __init__(self, tables: List[List[Answer]]) -> None:
        bridges, ports, interfaces = tables[0], tables[1], tables[2]
        by_uuid = {row["_uuid"][1]: row for row in interfaces}
        port_uuid = {row["_uuid"][1]: row for row in ports}
        self.entries: List[Tuple[str, Answer]] = []
        for bridge in bridges:
            for port_ref in as_set(bridge["ports"]):
                port = port_uuid.get(port_ref[1])
                for ref in as_set(port["interfaces"]) if port else ():
                    if ref[1] in by_uuid:
                        self.entries.append((bridge["name"], by_uuid[ref[1]]))
        self.bridges = [row["name"] for row in bridges]
        self.netdev = any(row.get("datapath_type") == "netdev" for row in bridges)

    def find(self, wanted: Answer) -> Optional[Tuple[str, Answer]]:
        """(bridge, interface row) of the first interface that answers to `wanted`, or None."""
        for bridge, row in self.entries:
            if wanted.get("bridge") not in (None, bridge):
                continue
            if "iface_id" in wanted and as_map(row["external_ids"]).get("iface-id") == wanted["iface_id"]:
                return bridge, row
            if "name" in wanted and row["name"] == wanted["name"]:
                return bridge, row
            leads = "remote_ip" in wanted and as_map(row["options"]).get("remote_ip") == wanted["remote_ip"]
            if leads and row["type"] == wanted.get("type", row["type"]):
                return bridge, row
            if wanted.get("nic") and row["type"] in ("", "system", "dpdk"):
                return bridge, row
        return None


def ofport(row: Answer) -> Optional[int]:
    """The OpenFlow number of an interface, or None while it has none."""
    number = row.get("ofport")
    return number if isinstance(number, int) and number > 0 else None


def trace(wrap: List[str], switch: Switch, question: Answer) -> Answer:
    """One ofproto/trace. No packet is given, so nothing is learned and nothing is sent."""
    found = None
    for wanted in question["from"]:
        found = switch.find(wanted)
        if found:
            break
    if not found:
        return {"rc": 2, "out": "", "err": "no such interface", "bridge": None, "in_port": None}
    bridge, row = found
    number = ofport(row)
    if number is None:
        return {"rc": 2, "out": "", "err": "interface has no ofport", "bridge": bridge, "in_port": row["name"]}
    flow = "in_port=%d,%s" % (number, question["flow"])
    # What connection tracking is to say each time that the packet comes out of it; new without.
    tracked = [word for state in question.get("ct", ()) for word in ("--ct-next", state)]
    answer = run([*wrap, "ovs-appctl", "-T", "5", "ofproto/trace", "--names", bridge, flow, *tracked])
    if answer["rc"] != 0 and "names" in answer["err"]:
        answer = run([*wrap, "ovs-appctl", "-T", "5", "ofproto/trace", bridge, flow, *tracked])
    answer.update(bridge=bridge, in_port=row["name"], flow=flow)
    return answer


def outer(wrap: List[str], switch: Switch, addresses: List[Answer], question: Answer) -> Answer:
    """What becomes of a tunnel packet that comes in by the NIC, where its address is on a bridge of the switch."""
    for row in addresses:
        if question["local"] not in [a.get("local") for a in row.get("addr_info", ())]:
            continue
        if row.get("ifname") not in switch.bridges:
            return {"rc": 2, "out": "", "err": "the address is not on a bridge", "bridge": None, "in_port": None}
        port = {"vxlan": 4789, "geneve": 6081}.get(question["type"])
        kind = "udp,udp_src=50000,udp_dst=%d" % port if port else "ip,nw_proto=47"
        flow = "dl_src=02:00:00:00:00:01,dl_dst=%s,nw_src=%s,nw_dst=%s,nw_ttl=64" % (
            row["address"],
            question["remote"],
            question["local"],
        )
        return trace(wrap, switch, {"from": [{"bridge": row["ifname"], "nic": True}], "flow": kind + "," + flow})
    return {"rc": 2, "out": "", "err": "no device has the address", "bridge": None, "in_port": None}


def port_flags(wrap: List[str], bridge: str) -> Answer:
    """The ports of a bridge with their flags. Only OpenFlow 1.0 has NO_FLOOD; some bridges do not speak it."""
    old = run([*wrap, "ovs-ofctl", "--timeout=5", "-O", "OpenFlow10", "show", bridge])
    if old["rc"] in (0, 124, 127):
        return old
    return run([*wrap, "ovs-ofctl", "--timeout=5", "-O", "OpenFlow13", "dump-ports-desc", bridge])


def namespace(name: str, interface: str) -> Dict[str, Answer]:
    """The links, addresses, packet filter and UDP sockets of a network namespace."""
    inside = ["ip", "netns", "exec", name]
    jobs = {
        "link": [*inside, "ip", "-j", "-d", "-s", "link"],
        "addr": [*inside, "ip", "-j", "addr"],
        "route": [*inside, "ip", "-j", "route"],
        "iptables": [*inside, "iptables-save", "-c"],
        "udp": [*inside, "cat", "/proc/net/udp"],
        # A socket that waits on every address of both families is listed under IPv6 alone.
        "tcp": [*inside, "sh", "-c", "cat /proc/net/tcp && { cat /proc/net/tcp6 2>/dev/null || :; }"],
        "forward": [*inside, "cat", "/proc/sys/net/ipv4/ip_forward"],
        "nft": [*inside, "nft", "-a", "list", "ruleset"] if shutil.which("nft") else None,
        "tc_in": [*inside, "tc", "-s", "filter", "show", "dev", interface, "ingress"],
        "tc_out": [*inside, "tc", "-s", "filter", "show", "dev", interface, "egress"],
    }
    return {key: run(argv) for key, argv in jobs.items() if argv}


def dnsmasqs(name: str = "dnsmasq") -> List[Answer]:
    """Every process of that name on the host (those in containers too): pid, command line, state, network namespace."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        words = (read("/proc/%s/cmdline" % pid) or "").split("\0")
        if name not in os.path.basename(words[0]):
            continue
        state = re.search(r"^State:\s+(\S)", read("/proc/%s/status" % pid) or "", re.M)
        try:
            netns = os.stat("/proc/%s/ns/net" % pid).st_ino
        except OSError:
            netns = None
        found.append({"pid": int(pid), "argv": words[:-1], "state": state.group(1) if state else "", "netns": netns})
    return found


def dhcp(question: Answer, processes: List[Answer]) -> Answer:
    """The DHCP server of one network: its process, its files, its namespace."""
    network, space = question["network"], "qdhcp-" + question["network"]
    try:
        netns = os.stat("/run/netns/" + space).st_ino
    except OSError:
        netns = None
    mine = [p for p in processes if network in " ".join(p["argv"])]
    files: Dict[str, Optional[str]] = {}
    folders = []
    for process in processes:
        path = option(process["argv"], "--dhcp-hostsfile") or option(process["argv"], "--pid-file") or ""
        parent = os.path.dirname(os.path.dirname(path))
        if parent:
            root = "/proc/%d/root" % process["pid"]
            folders.append((process in mine, root + parent, parent))
    folders.sort(key=lambda f: not f[0])
    for _mine, real, shown in [*folders, (False, DHCP_FOLDER, DHCP_FOLDER)]:
        folder = os.path.join(real, network)
        if os.path.isdir(folder):
            for name in ("host", "opts", "leases", "pid", "interface"):
                files[name] = read(os.path.join(folder, name))
            files["folder"] = os.path.join(shown, network)
            break
    # Servers that are none of Neutron's, in the same namespace.
    others = [p for p in processes if netns and p["netns"] == netns and p not in mine]
    return {
        "namespace": netns,
        "processes": mine,
        "others": others,
        "files": files,
        "inside": namespace(space, question["device"]) if netns else {},
    }


def space(name: str, question: Answer, proxies: List[Answer]) -> Answer:
    """A network namespace, and the metadata proxies of what it belongs to, each with its configuration."""
    try:
        netns = os.stat("/run/netns/" + name).st_ino
    except OSError:
        netns = None
    mine = []
    for process in proxies:
        if process["netns"] != netns and not any(i in " ".join(process["argv"]) for i in question["ids"]):
            continue
        path = option(process["argv"], "-f") or ""
        # Its path is that of its own mount namespace.
        mine.append(dict(process, config=read("/proc/%d/root%s" % (process["pid"], path)) if path else None))
    return {"namespace": netns, "proxies": mine, "inside": namespace(name, question["device"]) if netns else {}}


def unix_sockets() -> List[str]:
    """The paths of Unix sockets on which somebody waits (flag __SO_ACCEPTCON)."""
    lines = [line.split() for line in (read("/proc/net/unix") or "").splitlines()[1:]]
    return sorted({words[7] for words in lines if len(words) > 7 and int(words[3], 16) & 0x10000})


def device(name: str) -> Dict[str, Answer]:
    """tc filters, and how a port of a Linux bridge passes VLANs."""
    return {
        "tc_in": run(["tc", "-s", "filter", "show", "dev", name, "ingress"]),
        "tc_out": run(["tc", "-s", "filter", "show", "dev", name, "egress"]),
        "qdisc": run(["tc", "-s", "qdisc", "show", "dev", name]),
    }


def remote(address: str) -> Dict[str, Answer]:
    """The way to another tunnel endpoint."""
    return {
        "route": run(["ip", "-j", "route", "get", address]),
        "neigh": run(["ip", "-j", "neigh", "show", "to", address]),
    }


def counters(pool: ThreadPoolExecutor) -> Answer:
    """Only what counts packets: flows, rules, devices."""
    wrap = wrapping("ovs-vsctl", OVS_CONTAINERS)
    links, rules = pool.submit(run, ["ip", "-j", "-d", "-s", "link"]), pool.submit(run, ["iptables-save", "-c"])
    bridges = run([*wrap, "ovs-vsctl", "--timeout=5", "list-br"])["out"].split()
    dump = [*wrap, "ovs-ofctl", "--timeout=5", "-O", "OpenFlow13", "--no-names", "dump-flows"]
    flows = {bridge: pool.submit(run, [*dump, bridge]) for bridge in bridges}
    return {
        "uid": os.geteuid(),
        "link": links.result(),
        "iptables": rules.result(),
        "flows": {bridge: future.result() for bridge, future in flows.items()},
    }


def write(answers: Answer) -> None:
    """The answers as one line."""
    text = json.dumps(answers, sort_keys=True).encode()
    sys.stdout.write(base64.b64encode(zlib.compress(text, 6)).decode() + "\n")


def main(questions: Answer) -> None:
    """Asks everything at once, and writes the answers down."""
    began = time.time()
    pool = ThreadPoolExecutor(max_workers=8)
    if questions.get("counters"):
        write(counters(pool))
        return
    answers: Answer = {"uid": os.geteuid(), "version": 1, "hostname": os.uname()[1], "clock": began}
    links = pool.submit(run, ["ip", "-j", "-d", "-s", "link"])
    wrap = wrapping("ovs-vsctl", OVS_CONTAINERS)
    database = pool.submit(ovs_database, wrap)
    daemon = pool.submit(run, [*wrap, "ovs-appctl", "-T", "4", "version"])
    addresses_of = pool.submit(run, ["ip", "-j", "addr"])
    later = {
        "addr": addresses_of,
        "netns": pool.submit(run, ["ip", "netns", "list"]),
        "iptables": pool.submit(run, ["iptables-save", "-c"]),
        "arptables": pool.submit(run, ["arptables-save"]) if shutil.which("arptables-save") else None,
        "ebtables": pool.submit(run, ["ebtables-save"]) if shutil.which("ebtables-save") else None,
        "nft": pool.submit(run, ["nft", "-a", "list", "ruleset"]) if shutil.which("nft") else None,
        "bridge_vlan": pool.submit(run, ["bridge", "-j", "vlan", "show"]),
        "bridge_fdb": pool.submit(run, ["bridge", "-j", "fdb", "show"]),
    }
    if questions.get("domain"):
        virsh = [*wrapping("virsh", LIBVIRT_CONTAINERS), "virsh", "-r"]
        later["domain"] = pool.submit(run, [*virsh, "dumpxml", questions["domain"]])
        later["domstate"] = pool.submit(run, [*virsh, "domstate", "--reason", questions["domain"]])
    devices = {name: pool.submit(device, name) for name in questions.get("devices", ())}
    remotes = {address: pool.submit(remote, address) for address in questions.get("remotes", ())}
    servers_up = dnsmasqs() if questions.get("dhcp") else []
    proxies = dnsmasqs("haproxy") if questions.get("spaces") else []
    spaces = {name: pool.submit(space, name, q, proxies) for name, q in questions.get("spaces", {}).items()}
    servers = {q["network"]: pool.submit(dhcp, q, servers_up) for q in questions.get("dhcp", ())}
    answers["ovs"] = database.result()
    tables: List[List[Answer]] = []
    try:
        tables = rows(answers["ovs"]) if answers["ovs"]["rc"] == 0 else []
    except ValueError:
        answers["ovs"]["rc"] = 1
    flows, ports, fdbs, traces = {}, {}, {}, {}
    # A daemon that hangs would let every question to it run out of time.
    alive = daemon.result()["rc"] == 0
    answers["daemon"] = dict(daemon.result(), processes=processes("ovs-vswitchd"))
    if len(tables) == 5 and alive:
        switch = Switch(tables)
        for bridge in switch.bridges:
            options = ["--timeout=5", "-O", "OpenFlow13"]
            flows[bridge] = pool.submit(run, [*wrap, "ovs-ofctl", *options, "--no-names", "dump-flows", bridge])
            ports[bridge] = pool.submit(port_flags, wrap, bridge)
            fdbs[bridge] = pool.submit(run, [*wrap, "ovs-appctl", "-T", "5", "fdb/show", bridge])
        for name, question in questions.get("traces", {}).items():
            traces[name] = pool.submit(trace, wrap, switch, question)
        later["tunnel_neigh"] = pool.submit(run, [*wrap, "ovs-appctl", "-T", "5", "tnl/neigh/show"])
        later["datapath"] = pool.submit(run, [*wrap, "ovs-appctl", "-T", "5", "dpif/show"])
        try:
            addresses = json.loads(addresses_of.result()["out"])
        except ValueError:
            addresses = []
        for name, question in questions.get("outer", {}).items():
            traces["outer/" + name] = pool.submit(outer, wrap, switch, addresses, question)
    answers["link"] = links.result()
    for key, futures in (
        ("flows", flows),
        ("ports", ports),
        ("fdb", fdbs),
        ("traces", traces),
        ("devices", devices),
        ("remotes", remotes),
        ("dhcp", servers),
        ("spaces", spaces),
    ):
        answers[key] = {name: future.result() for name, future in futures.items()}
    for key, future in later.items():
        if future is not None:
            answers[key] = future.result()
    answers["proc"] = {
        name: (read("/proc/sys/" + name) or "").strip()
        for name in (
            "net/bridge/bridge-nf-call-iptables",
            "net/netfilter/nf_conntrack_count",
            "net/netfilter/nf_conntrack_max",
        )
    }
    if questions.get("ovn"):
        answers["ovn"] = ovn(tables, questions["ovn"], answers["traces"])
    if spaces:
        answers["unix"] = unix_sockets()
    answers["wrap"] = wrap
    answers["took_s"] = round(time.time() - began, 3)
    write(answers)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
