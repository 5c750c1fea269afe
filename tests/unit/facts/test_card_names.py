"""What configuration files of the distributions say of cards; each as its installer or its documentation writes it."""

from __future__ import annotations

import pytest

from blue_wizard.facts.card_names import Binding, parse

MAC, OTHER = "00:50:56:9a:11:22", "00:50:56:9a:33:44"
UDEV = ["/usr/lib/systemd/network/99-default.link", "/usr/lib/systemd/libsystemd-shared-252.so"]

INTERFACES = """source /etc/network/interfaces.d/*
auto lo
iface lo inet loopback
# The primary network interface
allow-hotplug ens192
iface ens192 inet static
    address 10.0.0.5/24
auto br0
iface br0 inet dhcp
    bridge_ports ens224
auto ens192.10
iface ens192.10 inet manual
    vlan-raw-device ens192
"""
NETPLAN = """network:
  version: 2
  ethernets:
    ens160: {dhcp4: true}
"""
CLOUD_INIT = f"""network:
  version: 2
  ethernets:
    ens192:
      dhcp4: true
      match: {{macaddress: '{MAC.upper()}'}}
      set-name: ens192
"""
PATTERN = "network:\n  ethernets:\n    all:\n      match: {name: 'en*'}\n"
RHEL7 = 'TYPE="Ethernet"\nBOOTPROTO="none"\nNAME="ens192"\nUUID="7d1f"\nDEVICE="ens192"\nONBOOT="yes"\n'
RHEL6 = f"DEVICE=eth0\nHWADDR={MAC.upper()}\nTYPE=Ethernet\nONBOOT=yes\nNM_CONTROLLED=yes\nBOOTPROTO=dhcp\n"
BOND = "DEVICE=bond0\nTYPE=Bond\n"
KEYFILE = """[connection]
id=ens192
uuid=8a3f
type=ethernet
interface-name=ens192

[ethernet]
{more}
[ipv4]
method=auto
"""
SUSE = "BOOTPROTO='static'\nSTARTMODE='auto'\nIPADDR='10.0.0.5/24'\n"
NETWORKD = "[Match]\nName=ens33\n\n[Network]\nDHCP=yes\n"
NETWORKD_MAC = f"[Match]\nMACAddress={MAC}\n[Network]\nDHCP=yes\n"
KEYS = "/etc/NetworkManager/system-connections/ens192.nmconnection"
SCRIPTS = "/etc/sysconfig/network-scripts/"


@pytest.mark.parametrize(
    ("path", "text", "bound"),
    [
        ("/etc/network/interfaces", INTERFACES, [("ens192", ""), ("ens224", "")]),
        ("/etc/netplan/00-installer-config.yaml", NETPLAN, [("ens160", "")]),
        ("/etc/netplan/50-cloud-init.yaml", CLOUD_INIT, [("", MAC)]),
        ("/etc/netplan/all.yaml", PATTERN, []),
        ("/etc/netplan/broken.yaml", "network: [", []),
        (SCRIPTS + "ifcfg-ens192", RHEL7, [("ens192", "")]),
        (SCRIPTS + "ifcfg-eth0", RHEL6, [("eth0", MAC)]),
        (SCRIPTS + "ifcfg-eth0.rpmsave", RHEL6, []),
        (SCRIPTS + "ifcfg-bond0", BOND, []),
        (SCRIPTS + "ifcfg-ens192", "NAME=none\nBOOTPROTO=dhcp\n", []),
        (KEYS, KEYFILE.format(more=""), [("ens192", "")]),
        (KEYS, KEYFILE.format(more=f"mac-address={MAC.upper()}\n"), [("ens192", MAC)]),
        (KEYS, KEYFILE.format(more="").replace("type=ethernet", "type=wifi"), []),
        (KEYS, "no section\n", []),
        ("/etc/sysconfig/network/ifcfg-eth0", SUSE, [("eth0", "")]),
        ("/etc/sysconfig/network/ifcfg-br0", "BRIDGE='yes'\nBRIDGE_PORTS='eth1'\n", [("eth1", "")]),
        ("/etc/sysconfig/network/ifcfg-bond0", "BONDING_SLAVE0='eth1'\nBONDING_SLAVE_1='eth2'\n", [("eth1", ""), ("eth2", "")]),
        ("/etc/sysconfig/network/ifcfg-lo", "IPADDR=127.0.0.1/8\n", []),
        ("/etc/systemd/network/10-lan.network", NETWORKD, [("ens33", "")]),
        ("/etc/systemd/network/10-lan.network", NETWORKD_MAC, [("", MAC)]),
        ("/etc/systemd/network/10-lan.network", "[Match]\nName=en*\n", []),
    ],
)  # fmt: skip
def test_how_a_configuration_is_bound(path: str, text: str, bound: list[tuple[str, str]]) -> None:
    assert list(parse({path: text}, UDEV).bound) == [Binding(path, name, mac) for name, mac in bound]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/etc/udev/rules.d/70-persistent-net.rules",
         f'SUBSYSTEM=="net", ACTION=="add", DRIVERS=="?*", ATTR{{address}}=="{MAC}", KERNEL=="eth*", NAME="lan0"\n'
         f'# SUBSYSTEM=="net", ATTR{{address}}=="{OTHER}", NAME="lan1"\n'),
        ("/etc/systemd/network/10-lan.link", f"[Match]\nMACAddress={MAC}\n[Link]\nName=lan0\n"),
        ("/etc/netplan/lan.yaml", CLOUD_INIT.replace("set-name: ens192", "set-name: lan0")),
    ],
)  # fmt: skip
def test_names_that_the_guest_itself_gives_by_mac(path: str, text: str) -> None:
    assert parse({path: text}, UDEV).given == {MAC: "lan0"}


@pytest.mark.parametrize(
    ("udev", "files", "masked", "kernel", "links"),
    [
        (UDEV, {}, (), False, True),
        # RHEL 8 and Ubuntu 18.04: .link files come too late for a name that the initial ramdisk has given.
        ([UDEV[0], "/usr/lib/systemd/libsystemd-shared-239.so"], {}, (), False, False),
        ([UDEV[0], "/lib/systemd/libsystemd-shared-252.so", "/usr/lib/x/libsystemd-shared-255.4.so"], {}, (), False, True),
        # RHEL 7 has a systemd without that library, RHEL 6 has none.
        ([UDEV[0]], {}, (), False, False),
        ([], {}, (), True, False),
        (UDEV, {"/etc/default/grub": 'GRUB_CMDLINE_LINUX="net.ifnames=0 biosdevname=0"'}, (), True, True),
        (UDEV, {"/boot/loader/entries/a.conf": "options ro net.ifnames=0"}, (), True, True),
        (UDEV, {}, ("/etc/udev/rules.d/80-net-setup-link.rules",), True, False),
        (UDEV, {}, ("/etc/systemd/network/99-default.link",), True, False),
    ],
)  # fmt: skip
def test_what_its_udev_does(
    udev: list[str], files: dict[str, str], masked: tuple[str, ...], kernel: bool, links: bool
) -> None:
    found = parse(files, udev, masked=masked)
    assert (found.kernel, found.links) == (kernel, links)
