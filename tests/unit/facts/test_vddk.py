"""What nbdkit and VMware's library say, as documentation and reports of operators have it."""

from __future__ import annotations

import pytest

from blue_wizard.facts.vddk import Plugin, explain, parse_plugin

DUMP = """\
path=/usr/lib64/nbdkit/plugins/nbdkit-vddk-plugin.so
name=vddk
version=1.36.2
vddk_default_libdir=/usr/lib64/vmware-vix-disklib
vddk_has_nfchostport=1
vddk_library_version=8
vddk_dll=/opt/vmware-vix-disklib-distrib/lib64/libvixDiskLib.so.8.0.3
VixDiskLib_Open=1
VixDiskLib_QueryAllocatedBlocks=1
"""

# Where each text is from stands beside its rule in facts/vddk.py.
PLUGIN = "/usr/lib/x86_64-linux-gnu/nbdkit/plugins/nbdkit-vddk-plugin.so"
MISSING = "cannot open shared object file: No such file or directory"
LIBRARY = "/usr/lib/vmware-vix-disklib/lib64/libvixDiskLib.so.8"
SHOWN = "B2:31:BD:DE:9F:DB:9D:E0:78:EF:30:42:8A:41:B0:28:92:93:C8:DD"
ERROR = "nbdkit: vddk[1]: error: "
WORDS = [
    ("plugin", f"nbdkit: error: cannot open plugin 'vddk': {PLUGIN}: {MISSING}", "no vddk plugin"),
    ("library", f"nbdkit: error: {LIBRARY}: {MISSING}", f"{LIBRARY} is missing"),
    ("library", f"libsqlite3.so.0: {MISSING}", "libsqlite3.so.0 is missing"),
    (
        "login",
        ERROR + "VixDiskLib_ConnectEx: Cannot complete login due to an incorrect user name or password.",
        "vc1 refuses the name or the password",
    ),
    (
        "thumbprint",
        f"VixDiskLibVim: Failed to verify SSL certificate: actual thumbprint={SHOWN} expected=12",
        f"of vc1 that is not the one that was verified: {SHOWN}",
    ),
    (
        "busy",
        "[NFC ERROR] NfcFssrvrProcessErrorMsg: received NFC error 5 from server: Failed to allocate the requested 2097176 bytes",
        "2097176 bytes were refused",
    ),
    (
        "closed",
        "[NFC ERROR]NfcNewAuthdConnectionEx: Failed to connect to peer. Error: Failed to connect to server esx7:902",
        "esx7:902",
    ),
    (
        "closed",
        ERROR
        + "[NFC ERROR]NfcNewAuthdConnectionEx: Failed to connect: Error reading from vmware-authd socket. Reason: Resource"
        " temporarily unavailable",
        "vmware-authd",
    ),
    (
        "closed",
        "VixDiskLib_Open: [IHUKL_BGT4_01] Windows2022/Windows2022.vmdk: The server refused connectio",
        "does not get",
    ),
    ("access", "VixDiskLib_Open: [ds] vm/vm.vmdk: You do not have access rights to this file", "has it locked"),
    ("gone", ERROR + "VixDiskLib_Open: [ds] vm/vm.vmdk: A file was not found", "does not find the file"),
]


@pytest.mark.parametrize(("code", "words", "message"), WORDS)
def test_documented_words_have_a_cause_and_a_next_step(code: str, words: str, message: str) -> None:
    found = explain(f"nbdkit: something before\n{words}\n", "vc1")
    assert found is not None
    assert found.code == code
    assert message in found.message
    assert found.hint


def test_what_is_not_known_is_not_explained() -> None:
    assert explain("nbdkit: vddk[1]: error: VixDiskLib_Read: Unknown error", "vc1") is None


def test_what_the_plugin_tells_of_itself() -> None:
    file = "/opt/vmware-vix-disklib-distrib/lib64/libvixDiskLib.so.8.0.3"
    assert parse_plugin(DUMP) == Plugin(8, file, True)
    # A library before 6.7, one that was not loaded, and no answer at all.
    assert not parse_plugin(DUMP.replace("VixDiskLib_QueryAllocatedBlocks=1\n", "")).tells_use
    assert parse_plugin(DUMP.replace("vddk_library_version=8\n", "")).version == 0
    assert parse_plugin("") == Plugin(0, "", False)
