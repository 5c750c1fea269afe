"""The hosts themselves."""

from __future__ import annotations

from tests.unit.diagnose.cases import lost
from tests.unit.diagnose.seen import HYBRID, Seen


@lost("ovs.vswitchd-down", HYBRID, ("qvo", "compute-br-int"))
def daemon_down(s: Seen) -> None:
    s.cmp["daemon"].update(
        rc=1, out="", err="ovs-appctl: cannot connect to /run/openvswitch/ovs-vswitchd.1.ctl", processes=[]
    )
    s.cmp.update(flows={}, ports={}, fdb={}, traces={})
