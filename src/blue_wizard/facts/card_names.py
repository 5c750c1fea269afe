"""What a Linux guest calls its network cards, and by what it knows them: its configuration files. Pure."""

from __future__ import annotations

import configparser
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

import yaml

__all__ = ["Binding", "CardNames", "parse"]

_MAC = re.compile(r"^[0-9a-f]{2}(:[0-9a-f]{2}){5}$")
# What udev (systemd.net-naming-scheme(7)), biosdevname and the kernel call cards; bridges, bonds and tunnels have other names.
_CARD = re.compile(r"^(eth\d+|en[opsx][0-9a-zA-Z]+|em\d+|p\d+p\d+)$")
# systemd/systemd#9088: before 240 a name that the initial ramdisk had given was not touched by a .link file any more.
_LINKS_SINCE = 240


@dataclass(frozen=True)
class Binding:
    """A configuration that is for one card: of this `name`, of this `mac`, or only where both are right. "" where it names none."""

    file: str
    name: str = ""
    mac: str = ""


@dataclass(frozen=True)
class CardNames:
    """What a guest's files say. `given` are names by MAC address that its own udev rules and .link files give.

    `kernel`: cards are called as the kernel calls them (eth0), udev gives no other names. `links`: its udev obeys a .link file
    even where the initial ramdisk has given the card a name before; it obeys a rule in any case. `labels` are the SELinux labels of
    folders, without those that have none.
    """

    bound: tuple[Binding, ...] = ()
    given: Mapping[str, str] = field(default_factory=dict)
    kernel: bool = False
    links: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)


def parse(
    files: Mapping[str, str],
    udev: Sequence[str],
    *,
    masked: Sequence[str] = (),
    labels: Mapping[str, str] | None = None,
) -> CardNames:
    """Judge the `files` of a guest (path to content).

    `udev` are the paths of its default .link file and of systemd's library, where it has them. `masked` are paths that lead to
    /dev/null. A file that can't be understood says nothing.
    """
    bound: list[Binding] = []
    given: dict[str, str] = {}
    for path, text in sorted(files.items()):
        for kind, reader in _READERS:
            if kind.search(path):
                bound += [b for b in reader(path, text) if b.mac or _CARD.match(b.name)]
                break
        given |= dict(_given(path, text))
    switches = " ".join(text for path, text in files.items() if _SWITCHES.search(path))
    off = "net.ifnames=0" in switches or any(
        p.endswith(("/80-net-setup-link.rules", "/99-default.link")) for p in masked
    )
    versions = [int(v) for v in re.findall(r"/libsystemd-shared-(\d+)", "\n".join(udev))]
    predictable = any(p.endswith("/99-default.link") for p in udev)
    return CardNames(
        tuple(dict.fromkeys(bound)),
        given,
        kernel=off or not predictable,
        links=predictable and not masked and max(versions, default=0) >= _LINKS_SINCE,
        labels=labels or {},
    )


def _mac(text: str) -> str:
    found = text.strip().strip("\"'").lower().replace("-", ":")
    return found if _MAC.match(found) else ""


def _ifupdown(path: str, text: str) -> Iterator[Binding]:
    """interfaces(5): stanzas, and the cards that bridges, bonds and VLANs name."""
    for line in text.replace("\\\n", " ").splitlines():
        word, *rest = line.split() or [""]
        if word in {"iface", "mapping"}:
            rest = rest[:1]
        elif not re.match(r"auto$|allow-|(bridge|bond)[-_](ports|slaves)$|slaves$|vlan[-_]raw[-_]device$", word):
            continue
        for name in rest:
            yield Binding(path, re.split(r"[.:]", name)[0])


def _netplan(path: str, text: str) -> Iterator[Binding]:
    """netplan-yaml(5): without `match` the id is the name; a pattern in `match` is not one name."""
    try:
        cards = yaml.safe_load(text)["network"]["ethernets"].items()
    except (yaml.YAMLError, KeyError, TypeError, AttributeError):
        return
    for name, card in cards:
        match = card.get("match") if isinstance(card, dict) else None
        if not isinstance(match, dict) or not match:
            yield Binding(path, str(name))
        else:
            yield Binding(path, str(match.get("name", "")), _mac(str(match.get("macaddress", ""))))


def _shell(text: str) -> dict[str, str]:
    found = re.findall(r"^[ \t]*(\w+)=[\"']?([^\"'#\n]*)", text, re.M)
    return {key: value.strip() for key, value in found}


def _ifcfg(path: str, text: str) -> Iterator[Binding]:
    """initscripts' sysconfig.txt: DEVICE, and HWADDR, which has to be the card's."""
    said = _shell(text)
    name = said.get("DEVICE", "")
    if not _left(path):
        yield Binding(path, re.split(r"[.:]", name)[0], _mac(said.get("HWADDR", "")))


def _suse(path: str, text: str) -> Iterator[Binding]:
    """ifcfg(5) of wicked: the file's own name is the card's; bridges and bonds name theirs."""
    if _left(path):
        return
    yield Binding(path, PurePosixPath(path).name.removeprefix("ifcfg-"))
    for key, value in _shell(text).items():
        if key == "BRIDGE_PORTS" or key == "ETHERDEVICE" or key.startswith("BONDING_SLAVE"):
            for name in value.split():
                yield Binding(path, name)


def _left(path: str) -> bool:
    """A copy that an editor or a package has left: nobody reads it."""
    return re.search(r"(~|\.(bak|old|orig|rpmnew|rpmsave|swp|save|backup))$", path) is not None


def _ini(text: str) -> configparser.ConfigParser:
    made = configparser.ConfigParser(interpolation=None, strict=False, delimiters=("=",), comment_prefixes=("#", ";"))
    try:
        made.read_string(text)
    except configparser.Error:
        return configparser.ConfigParser()
    return made


def _keyfile(path: str, text: str) -> Iterator[Binding]:
    """nm-settings-keyfile(5): a profile with both a name and a MAC address wants both."""
    said = _ini(text)
    if said.get("connection", "type", fallback="") not in {"ethernet", "802-3-ethernet"}:
        return
    mac = said.get("ethernet", "mac-address", fallback="") or said.get("802-3-ethernet", "mac-address", fallback="")
    yield Binding(path, said.get("connection", "interface-name", fallback=""), _mac(mac))


def _networkd(path: str, text: str) -> Iterator[Binding]:
    """systemd.network(5)."""
    said = _ini(text)
    names = said.get("Match", "Name", fallback="").split()
    macs = said.get("Match", "MACAddress", fallback="").split()
    for name in names or [""]:
        for mac in macs or [""]:
            yield Binding(path, name, _mac(mac))


def _given(path: str, text: str) -> Iterator[tuple[str, str]]:
    if path.endswith(".rules"):
        for line in text.splitlines():
            mac = re.search(r'ATTRS?\{address\}=="([^"]+)"', line)
            name = re.search(r'(?<![A-Z_])NAME:?="([^"]+)"', line)
            if mac and name and not line.lstrip().startswith("#"):
                yield _mac(mac[1]), name[1]
    elif path.endswith(".link"):
        said = _ini(text)
        for address in said.get("Match", "MACAddress", fallback="").split():
            yield _mac(address), said.get("Link", "Name", fallback="")
    elif "/netplan/" in path:
        try:
            cards = yaml.safe_load(text)["network"]["ethernets"].values()
            yield from ((_mac(str(c["match"]["macaddress"])), str(c["set-name"])) for c in cards if "set-name" in c)
        except (yaml.YAMLError, KeyError, TypeError, AttributeError):
            return


_Reader = Callable[[str, str], Iterator[Binding]]
_READERS: tuple[tuple[re.Pattern[str], _Reader], ...] = (
    (re.compile(r"^/etc/network/interfaces(\.d/[\w.-]+)?$"), _ifupdown),
    (re.compile(r"^/etc/netplan/[^/]+\.yaml$"), _netplan),
    (re.compile(r"^/etc/sysconfig/network-scripts/ifcfg-"), _ifcfg),
    (re.compile(r"^/etc/sysconfig/network/ifcfg-"), _suse),
    (re.compile(r"^/etc/NetworkManager/system-connections/"), _keyfile),
    (re.compile(r"^/etc/systemd/network/[^/]+\.network$"), _networkd),
)
_SWITCHES = re.compile(r"^(/etc/default/grub|/etc/kernel/cmdline|/boot/grub2/grubenv|/boot/loader/entries/.*)$")
