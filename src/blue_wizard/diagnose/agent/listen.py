"""Role "listen": sockets on devices, also in other network namespaces, each behind a filter of the kernel. It only looks.

First order: {"deadline_s", "points": [{"device", "netns", "filter"}], "samples": [[filter, hex of a frame, passes]]}. It
answers {"ready": [{"problem", "detail", "drops"}]}, then {"point", "data", "vlan", "out"} for each frame. To {"mark": N} it
answers, when it has read everything that had come until then, {"mark": N, "points": as before, "lag_s"}: how late it was woken
at worst since the last mark, in seconds.
"""

import base64
import ctypes
import errno
import fcntl
import os
import select
import socket
import struct
import time
from typing import Any, Dict, List, Optional, Tuple

from blue_wizard.diagnose.agent.base import Orders, end_after, enter_net, new_net, say
from blue_wizard.diagnose.agent.made import sweep

# linux/if_packet.h, asm-generic/socket.h, linux/sockios.h, linux/if.h, linux/rtnetlink.h, linux/if_link.h
# bind takes it in the host's order.
_ALL = 3
_SOL_PACKET, _ADD_MEMBERSHIP, _STATISTICS, _AUXDATA = 263, 1, 6, 8
_ATTACH_FILTER, _RCVBUF_FORCE = 26, 33
_PROMISCUOUS, _OUTGOING = 1, 4
_GET_FLAGS, _SET_FLAGS, _GET_INDEX, _UP = 0x8913, 0x8914, 0x8933, 1
_VLAN_VALID = 0x10
_GET_LINK, _XDP, _XDP_ATTACHED = 18, 43, 2

_MOST = 500
_TICK_S = 0.05
_BUFFER = 4 << 20
_CONTROL_S = 5.0


class Unfit(Exception):
    """Why a device can't be looked at: `args` are the problem's name and the details."""


class Point:
    """One device that is looked at."""

    def __init__(self, number: int, order: Dict[str, Any], home: int) -> None:
        self.number = number
        self.device: str = order["device"]
        self.problem, self.detail = "", ""
        self.socket: Optional[socket.socket] = None
        self.xdp = False
        self.frames = self.drops = self.index = 0
        try:
            self._open(order.get("netns"), order["filter"], home)
        except Unfit as e:
            self.problem, self.detail = e.args
        except OSError as e:
            self.problem = refused(e) or "device"
            self.detail = os.strerror(e.errno or 0)

    def _open(self, netns: Optional[str], program: List[List[int]], home: int) -> None:
        where = None
        if netns:
            path = netns if "/" in netns else "/run/netns/" + netns
            try:
                where = os.open(path, os.O_RDONLY)
                enter_net(where)
            except OSError as e:
                raise Unfit(refused(e) or "namespace", os.strerror(e.errno or 0))
        try:
            # Protocol 0: it hears nothing before it has its filter and its device.
            made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            self.xdp = has_xdp(self.device)
        finally:
            if where is not None:
                enter_net(home)
                os.close(where)
        attach(made, program)
        try:
            made.setsockopt(socket.SOL_SOCKET, _RCVBUF_FORCE, _BUFFER)
        except OSError:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        made.setsockopt(_SOL_PACKET, _AUXDATA, 1)
        self.socket = made
        self.index = self._ask(_GET_INDEX)
        if not self.index:
            raise Unfit("device", os.strerror(errno.ENODEV))
        made.bind((self.device, _ALL))
        if os.path.isdir("/sys/class/net/%s/bridge" % self.device) and not netns:
            # A bridge gives itself only what is for itself; the kernel takes this back when the socket closes.
            made.setsockopt(_SOL_PACKET, _ADD_MEMBERSHIP, struct.pack("iHH8s", self.index, _PROMISCUOUS, 0, b""))
        made.setblocking(False)

    def _ask(self, what: int) -> int:
        """A number of the device in its own namespace, 0 when it isn't there."""
        assert self.socket is not None
        try:
            answer = fcntl.ioctl(self.socket, what, struct.pack("16s24x", self.device.encode()))
        except OSError:
            return 0
        number: int = struct.unpack_from("i" if what == _GET_INDEX else "H", answer, 16)[0]
        return number

    def read(self) -> None:
        """Say every frame that has come. A device that goes down says so once, and may come up again."""
        errors = 0
        while self.socket is not None and errors < 3:
            try:
                data, extra, _flags, address = self.socket.recvmsg(65535, 256)
            except BlockingIOError:
                return
            except OSError:
                errors += 1
                continue
            self.frames += 1
            if self.frames <= _MOST:
                say(
                    point=self.number,
                    data=base64.b64encode(data[:2048]).decode(),
                    vlan=tag_of(extra),
                    out=address[2] == _OUTGOING,
                )

    def state(self) -> Dict[str, Any]:
        """Whether everything that passed the device since the beginning has been seen."""
        if self.problem or self.socket is None:
            return {"problem": self.problem, "detail": self.detail, "drops": self.drops}
        packed = self.socket.getsockopt(_SOL_PACKET, _STATISTICS, 8)
        self.drops += struct.unpack("II", packed)[1]
        problem = ""
        now = self._ask(_GET_INDEX)
        if now != self.index:
            problem = "changed" if now else "device"
        elif not self._ask(_GET_FLAGS) & _UP:
            problem = "down"
        elif self.xdp:
            problem = "xdp"
        elif self.drops:
            problem = "drops"
        elif self.frames > _MOST:
            problem = "flood"
        return {"problem": problem, "detail": "", "drops": self.drops}


def refused(error: OSError) -> str:
    return "privilege" if error.errno in (errno.EPERM, errno.EACCES) else ""


def attach(to: socket.socket, program: List[List[int]]) -> None:
    code = b"".join(struct.pack("HBBI", *step) for step in program)
    kept = ctypes.create_string_buffer(code)
    to.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, struct.pack("HP", len(program), ctypes.addressof(kept)))


def filter_works(program: List[List[int]], frame: bytes, passes: bool) -> bool:
    """Whether this kernel's filter does with a frame what it should: the proof needs no device."""
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        attach(far, program)
        near.send(frame)
        try:
            return (far.recv(65535, socket.MSG_DONTWAIT) == frame) is passes
        except BlockingIOError:
            return not passes
    finally:
        near.close()
        far.close()


def hears(program: List[List[int]], frame: bytes) -> bool:
    """Whether a capture made as all others are hears the frame on the loopback."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as speaker:
        speaker.bind(("lo", 0))
        point = Point(0, {"device": "lo", "filter": program}, -1)
        if point.socket is None or point.problem:
            return False
        with point.socket as ear:
            speaker.send(frame)
            ear.settimeout(_CONTROL_S)
            try:
                return ear.recv(65535) == frame
            except socket.timeout:
                return False


def proved(samples: List[Any], home: int) -> bool:
    """Whether every filter passes what it should and nothing else, and captures hear what their filter passes.

    They are tried in a network namespace of this process alone, which the host sees nothing of.
    """
    tried = [(program, bytes.fromhex(text), passes) for program, text, passes in samples]
    if not all(filter_works(*one) for one in tried):
        return False
    new_net()
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
            fcntl.ioctl(asked, _SET_FLAGS, struct.pack("16sH22x", b"lo", _UP))
        return all(hears(program, frame) for program, frame, passes in tried if passes)
    finally:
        enter_net(home)


def tag_of(extra: List[Tuple[int, int, bytes]]) -> Optional[int]:
    """The VLAN of a tag that the kernel has taken off the frame."""
    for level, kind, data in extra:
        if level == _SOL_PACKET and kind == _AUXDATA and len(data) >= 18:
            status, _length, _kept, _mac, _net, tag = struct.unpack_from("IIIHHH", data)
            if status & _VLAN_VALID:
                return int(tag) & 0xFFF
    return None


def has_xdp(device: str) -> bool:
    """Whether an XDP program stands before everything that a socket could see on the device."""
    name = device.encode() + b"\0"
    attribute = struct.pack("HH", 4 + len(name), 3) + name + b"\0" * (-len(name) % 4)
    body = struct.pack("BxHiII", 0, 0, 0, 0, 0) + attribute
    asked = struct.pack("IHHII", 16 + len(body), _GET_LINK, 1, 1, 0) + body
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as link:
        link.settimeout(2)
        link.send(asked)
        answer = link.recv(65536)
    if struct.unpack_from("H", answer, 4)[0] != 16:
        return False
    nested = attributes(answer[32:]).get(_XDP, b"")
    return any(attributes(nested).get(_XDP_ATTACHED, b"\0"))


def attributes(data: bytes) -> Dict[int, bytes]:
    found: Dict[int, bytes] = {}
    at = 0
    while at + 4 <= len(data):
        length, kind = struct.unpack_from("HH", data, at)
        if length < 4:
            break
        found[kind & 0x3FFF] = data[at + 4 : at + length]
        at += (length + 3) & ~3
    return found


def listen() -> None:
    orders = Orders()
    order = orders.wait()
    if order is None:
        return
    end_after(order["deadline_s"])
    home = os.open("/proc/self/ns/net", os.O_RDONLY)
    # What an earlier run left must not be in the picture.
    sweep()
    doubt = ""
    try:
        doubt = "" if proved(order["samples"], home) else "filter"
    except OSError as e:
        doubt = refused(e) or "filter"
    points = [Point(i, p, home) for i, p in enumerate(order["points"])]
    for point in points:
        point.problem = point.problem or doubt
    say(ready=[p.state() for p in points])
    ready = select.poll()
    ready.register(orders, select.POLLIN)
    by_file = {}
    for point in points:
        if point.socket is not None and not point.problem:
            by_file[point.socket.fileno()] = point
            ready.register(point.socket, select.POLLIN)
    late = 0.0
    while True:
        before = time.monotonic()
        events = ready.poll(_TICK_S * 1000)
        late = max(late, time.monotonic() - before - _TICK_S)
        for file, _event in events:
            if file in by_file:
                by_file[file].read()
        if any(file == 0 for file, _event in events):
            if not orders.read():
                return
            asked = orders.next()
            while asked is not None:
                for point in by_file.values():
                    point.read()
                say(mark=asked["mark"], points=[p.state() for p in points], lag_s=late)
                late = 0.0
                asked = orders.next()


if __name__ == "__main__":
    listen()
