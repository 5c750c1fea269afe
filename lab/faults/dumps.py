"""Dumps of all that faults change, to be compared: before, and after the healing."""

from __future__ import annotations

import difflib
import re
from concurrent.futures import ThreadPoolExecutor

from lab.faults.target import shell
from lab.parts import has
from lab.site import CLOUD_B, CLOUD_B_HOSTS, HOSTS, STATE

PLACES = (*(h.name for h in HOSTS.values() if h.ovs), "machine")
OVN_DUMP = r"""
for t in Logical_Switch Logical_Switch_Port DHCP_Options ACL; do
    echo "# $t"; ovn-nbctl --timeout=20 --format=csv --no-headings list $t | sort
done
ovn-sbctl --timeout=20 --format=csv --no-headings --columns=name,hostname list Chassis | sort
"""
# Cookies, learned rules and counters change by themselves; a table without rules is as good as none.
# Whether a TAP device is called UP or UNKNOWN hangs on the moment at which it was set up. What a bridge learns about its
# neighbours is no setting. OVN's controller numbers the zones of connection tracking itself (registers 11 to 13), and leaves one
# out of a multicast flow until it is known. Of the rules about the members of a security group (conjunctions of addresses)
# Neutron's agent leaves those of a network's former tag behind, and takes some of its present tag away when it cleans up.
HOST_DUMP = r"""
V="ovs-vsctl --timeout=20"
echo "# switch"; $V show | sort
for b in $($V list-br); do $V list-ports $b | sort | sed -e "s/^/$b /"; done
$V --format=csv --columns=name,tag,trunks,vlan_mode,other_config list Port | sort
$V --format=csv --columns=name,type,ofport,ofport_request,options,external_ids,ingress_policing_rate,mtu list Interface | sort
$V --format=csv --columns=name,output_port list Mirror | sort
for b in $($V list-br); do
    echo "# flows of $b"
    ovs-ofctl -O OpenFlow13 --no-stats dump-flows $b | grep -v hard_timeout | sed -e 's/ cookie=[^,]*,//' \
        -e 's/set_field:0x[0-9a-f]*->reg1[123],//g' | grep -v 'nw_src=.*conjunction' | sort
    ovs-ofctl show $b | grep -A1 -E '^ *[0-9A-Z]+\(' | grep -E 'addr:|config:' | sed -e 's/addr:.*//'
    ovs-appctl fdb/show $b | grep -i static || true
done
links() {
    ip $1 -o link | sed -e 's/^[0-9]*: //' -e 's/@[^:]*//' -e 's/ qdisc .*\(state [A-Z]*\).*link\/\([^ ]* [^ ]*\).*/ \1 \2/' \
        -e 's/ state UNKNOWN / state UP /' | sort
    ip $1 -4 -o address | sed -e 's/^[0-9]*: //' -e 's/\\.*//' | sort
    ip $1 -4 route | sort
    tc $1 qdisc show | grep -v -E 'noqueue|pfifo_fast|fq_codel' || true
}
echo "# links"; links ""
ip -d -o link show type bridge_slave | sort -k2 | sed -e 's/^[0-9]*: //' -e 's/@[^:]*//' \
    -e 's/:.*master \([^ ]*\).*\(hairpin .*\) port_id.*\(mcast_flood.*\) group_fwd_mask .*\(isolated [a-z]*\).*/ \1 \2 \3 \4/'
rules() { sed -e 's/ \[[0-9:]*\]//' | awk '/^[*]/ {t = $1} /^:/ && $2 != "ACCEPT" {print t, $1, $2} /^-A/ {print t, $0}'; }
echo "# iptables"; iptables-save | rules
ebtables-save 2>/dev/null | grep -v '^#' | grep -E '^-A' || true
sysctl -e net.bridge.bridge-nf-call-iptables net.bridge.bridge-nf-call-ip6tables net.bridge.bridge-nf-call-arptables
for n in $(ls /run/netns); do
    echo "# namespace $n"; links "-n $n"
    ip netns exec $n iptables-save | rules
    ip netns exec $n sysctl net.ipv4.ip_forward
done
for p in $(pgrep -x haproxy); do sed -n 's/^State:.\([TZ]\).*/haproxy \1/p' /proc/$p/status 2>&1; done
echo "# daemons"
for f in /run/lab/*.pid; do echo "$(basename $f) $(sed -n 's/^State:.\([TZ]\).*/\1/p' /proc/$(cat $f)/status 2>&1)"; done
for d in @STATE@/hosts/$(hostname)/neutron/dhcp/*; do
    [ -d $d ] || continue
    echo "# $d"; sort $d/host; sort $d/opts
    tr '\0' ' ' < /proc/$(cat $d/pid)/cmdline 2>&1; sed -n 's/^State:.\([TZ]\).*/\1/p' /proc/$(cat $d/pid)/status 2>&1
done
virsh list --all 2>/dev/null | sed -e 's/^ *[0-9-]* *//' | sort || true
"""
MACHINE_DUMP = r"""
ip -br link | grep '^bwl-' | sed -e 's/@[^ ]*//' -e 's/  .* </ </' | sort
for b in bwl-mgmt bwl-under bwl-ext; do echo "$b $(cat /sys/class/net/$b/mtu)"; done
for l in $(ls /sys/class/net | grep '^bwl-'); do tc qdisc show dev $l | grep -v -E 'noqueue|pfifo_fast|fq_codel'; done || true
"""
_MAC = re.compile(r"\b[0-9a-f]{2}(?::[0-9a-f]{2}){5}\b")
_NUMBER = re.compile(r"\b(?:0x[0-9a-f]+|\d+)\b")


def dumps() -> dict[str, str]:
    """The dumps of all places."""

    scripts = dict.fromkeys(PLACES, HOST_DUMP) | {"machine": MACHINE_DUMP}
    if has(CLOUD_B.extra):
        scripts |= {h.name: HOST_DUMP for h in CLOUD_B_HOSTS.values() if h.ovs} | {CLOUD_B.controller.name: OVN_DUMP}

    def dump(place: str) -> str:
        return shell(place, scripts[place].replace("@STATE@", str(STATE)))

    with ThreadPoolExecutor(len(scripts)) as pool:
        return dict(zip(scripts, pool.map(dump, scripts), strict=True))


def differences(before: dict[str, str], after: dict[str, str], *, exact: bool = True) -> list[str]:
    """Lines that went (`-`) or came (`+`), with their place.

    Unless `exact`, numbers that are given anew each time are all one.
    """
    found = []
    for place in sorted(before | after):
        old, new = before.get(place, "").splitlines(), after.get(place, "").splitlines()
        if not exact:
            old, new = sorted(map(_shape, old)), sorted(map(_shape, new))
        diff = difflib.unified_diff(old, new, lineterm="", n=0)
        found += [f"{place}: {x}" for x in diff if x[:1] in "+-" and x[:3] not in ("+++", "---")]
    return found


def _shape(line: str) -> str:
    # Where there are as many of each kind of thing as before, an agent has wired all again.
    return _NUMBER.sub("N", _MAC.sub("MAC", line))
