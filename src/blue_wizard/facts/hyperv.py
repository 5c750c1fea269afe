"""Virtual machines of Hyper-V: what PowerShell is asked, and what its answers mean. Scripts out, plain data in; pure.

Source: Microsoft's documentation of the Hyper-V module for PowerShell (Windows Server 2016 to 2025) and of the class
Msvm_ShutdownComponent. Services are known by their GUIDs: their names are in the host's language.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from blue_wizard.facts.powershell import listed

__all__ = ["INVENTORY", "SHUT_DOWN", "START", "STATE", "VhdFile", "VirtualDisk", "Vm", "VmNic", "for_one", "parse_vm"]

_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")

INVENTORY = """
function Chain($path) {
    $found = @()
    while ($path -and $found.Count -lt 64) {
        try { $v = Get-VHD -Path $path }
        catch { $found += @{ path = "$path"; error = "$($_.Exception.Message)" }; break }
        $found += @{ path = "$($v.Path)"; format = "$($v.VhdFormat)"; type = "$($v.VhdType)"; size = [long]$v.Size
                     file = [long]$v.FileSize; sector = [int]$v.LogicalSectorSize }
        $path = $v.ParentPath
    }
    , $found
}
foreach ($vm in Get-VM@WHICH@) {
    $two = $vm.Generation -eq 2
    $fw = if ($two) { Get-VMFirmware -VM $vm } else { $null }
    $sec = try { Get-VMSecurity -VM $vm } catch { $null }
    $boot = if ($two) { foreach ($b in $fw.BootOrder) { if ($b.Device -and $b.Device.Path) { "$($b.Device.Path)" } } }
    $down = Get-VMIntegrationService -VM $vm | Where-Object { $_.Id -like '*9F8233AC-BE49-4C79-8EE3-E7E1985B2077' }
    @{
        id = "$($vm.Id)"; name = "$($vm.Name)"; state = "$($vm.State)"; status = "$(@($vm.OperationalStatus) -join ',')"
        generation = [int]$vm.Generation; version = "$($vm.Version)"; cpus = [int]$vm.ProcessorCount
        startup = [long]$vm.MemoryStartup; dynamic = [bool]$vm.DynamicMemoryEnabled; minimum = [long]$vm.MemoryMinimum
        maximum = [long]$vm.MemoryMaximum; assigned = [long]$vm.MemoryAssigned
        secureboot = "$($fw.SecureBoot)"; tpm = [bool]$sec.TpmEnabled; shielded = [bool]$sec.Shielded
        encrypted = [bool]$sec.EncryptStateAndVmMigrationTraffic
        checkpoints = @(Get-VMSnapshot -VM $vm).Count; replication = "$($vm.ReplicationMode)"; clustered = [bool]$vm.IsClustered
        shutdown = [bool]($down -and $down.Enabled -and "$(@($down.OperationalStatus)[0])" -eq 'Ok')
        autostart = "$($vm.AutomaticStartAction)"
        devices = $(try { @(Get-VMAssignableDevice -VM $vm).Count } catch { 0 })
        fibre = $(try { @(Get-VMFibreChannelHba -VM $vm).Count } catch { 0 })
        dvd = @(Get-VMDvdDrive -VM $vm | Where-Object { $_.Path }).Count
        boot = @($boot)
        disks = @(foreach ($d in Get-VMHardDiskDrive -VM $vm) {
            $physical = $null -ne $d.DiskNumber
            @{ controller = "$($d.ControllerType)"; number = [int]$d.ControllerNumber; location = [int]$d.ControllerLocation
               path = "$($d.Path)"; physical = $physical; shared = [bool]$d.SupportPersistentReservations
               chain = if ($physical) { , @() } else { Chain $d.Path } }
        })
        nics = @(foreach ($n in Get-VMNetworkAdapter -VM $vm) {
            $vlan = Get-VMNetworkAdapterVlan -VMNetworkAdapter $n
            @{ mac = "$($n.MacAddress)"; switch = "$($n.SwitchName)"; legacy = [bool]$n.IsLegacy; mode = "$($vlan.OperationMode)"
               vlan = [int]$vlan.AccessVlanId; addresses = @($n.IPAddresses | ForEach-Object { "$_" }) }
        })
    }
}
"""
"""Returns one object a machine; @WHICH@ is nothing, or one machine's id (see `for_one`)."""

STATE = """
$vm = Get-VM@WHICH@
@{ state = "$($vm.State)"; status = "$(@($vm.OperationalStatus) -join ',')" }
"""
SHUT_DOWN = """
$c = Get-CimInstance -Namespace root/virtualization/v2 -ClassName Msvm_ShutdownComponent -Filter "SystemName='@ID@'"
if (-not $c) { throw 'the guest does not run the shutdown integration service' }
$done = Invoke-CimMethod -InputObject $c -MethodName InitiateShutdown -Arguments @{ Force = $false; Reason = 'Blue Wizard' }
if ($done.ReturnValue -notin 0, 4096) { throw "InitiateShutdown: $($done.ReturnValue)" }
"""
START = """
$vm = Get-VM@WHICH@
if ("$($vm.State)" -eq 'Off') { Start-VM -VM $vm }
"""


def for_one(script: str, vm_id: str) -> str:
    """The script for one machine. Raises ValueError for what is no GUID: nothing else of ours ever stands in a script."""
    if not _GUID.fullmatch(vm_id):
        raise ValueError(vm_id)
    return script.replace("@WHICH@", f" -Id '{vm_id}'").replace("@ID@", vm_id.upper())


@dataclass(frozen=True)
class VhdFile:
    """One file of a chain. Sizes are in bytes; `error` is why Hyper-V can't read it."""

    path: str
    format: str = ""
    type: str = ""
    size: int = 0
    file: int = 0
    sector: int = 512
    error: str = ""


@dataclass(frozen=True)
class VirtualDisk:
    """A disk at its place. `chain` are its files, the newest first; none for a pass-through disk (`physical`)."""

    controller: str
    number: int
    location: int
    path: str
    physical: bool
    shared: bool
    chain: tuple[VhdFile, ...]

    @property
    def id(self) -> str:
        """Its place, which no checkpoint changes: ``scsi-0-1``."""
        return f"{self.controller.lower()}-{self.number}-{self.location}"

    @property
    def size(self) -> int:
        """The virtual size in bytes; 0 when it can't be told."""
        return self.chain[0].size if self.chain else 0

    @property
    def used(self) -> int | None:
        """What its files take, in bytes."""
        return sum(f.file for f in self.chain) or None


@dataclass(frozen=True)
class VmNic:
    """A network card."""

    mac: str
    network: str
    legacy: bool
    trunk: bool
    addresses: tuple[str, ...]


@dataclass(frozen=True)
class Vm:
    """A machine. Memory is in MiB."""

    id: str
    name: str
    state: str
    status: str
    generation: int
    cpus: int
    startup: int
    dynamic: bool
    minimum: int
    maximum: int
    assigned: int
    secure_boot: bool
    tpm: bool
    shielded: bool
    checkpoints: int
    replication: str
    clustered: bool
    shutdown: bool
    autostart: str
    devices: int
    fibre: int
    dvd: int
    boot: tuple[str, ...]
    disks: tuple[VirtualDisk, ...]
    nics: tuple[VmNic, ...]

    @property
    def boot_disk(self) -> str:
        """The id of the disk that it starts from: the first of the firmware's order, or of the controllers'."""
        by_path = {d.path.lower(): d.id for d in self.disks}
        for path in self.boot:
            if path.lower() in by_path:
                return by_path[path.lower()]
        return self.disks[0].id if self.disks else ""


def parse_vm(data: Mapping[str, Any]) -> Vm:
    """One object of INVENTORY. Raises KeyError, TypeError or ValueError for what is none."""

    def mib(name: str) -> int:
        return int(data[name] or 0) >> 20

    disks = sorted((_disk(d) for d in listed(data["disks"])), key=lambda d: (d.controller, d.number, d.location))
    return Vm(
        id=str(data["id"]).lower(),
        name=str(data["name"]),
        state=str(data["state"]),
        status=str(data["status"]),
        generation=int(data["generation"]),
        cpus=int(data["cpus"]),
        startup=mib("startup"),
        dynamic=bool(data["dynamic"]),
        minimum=mib("minimum"),
        maximum=mib("maximum"),
        assigned=mib("assigned"),
        secure_boot=str(data["secureboot"]) == "On",
        tpm=bool(data["tpm"]),
        shielded=bool(data["shielded"]) or bool(data["encrypted"]),
        checkpoints=int(data["checkpoints"]),
        replication=str(data["replication"]),
        clustered=bool(data["clustered"]),
        shutdown=bool(data["shutdown"]),
        autostart=str(data["autostart"]),
        devices=int(data["devices"]),
        fibre=int(data["fibre"]),
        dvd=int(data["dvd"]),
        boot=tuple(str(p) for p in listed(data["boot"])),
        disks=tuple(disks),
        nics=tuple(_nic(n) for n in listed(data["nics"])),
    )


def _disk(data: Mapping[str, Any]) -> VirtualDisk:
    return VirtualDisk(
        str(data["controller"]),
        int(data["number"]),
        int(data["location"]),
        str(data["path"]),
        bool(data["physical"]),
        bool(data["shared"]),
        tuple(
            VhdFile(
                str(f["path"]),
                str(f.get("format", "")),
                str(f.get("type", "")),
                int(f.get("size") or 0),
                int(f.get("file") or 0),
                int(f.get("sector") or 512),
                str(f.get("error", "")),
            )
            for f in listed(data["chain"])
        ),
    )


def _nic(data: Mapping[str, Any]) -> VmNic:
    mac = str(data["mac"]).lower()
    plain = ":".join(mac[i : i + 2] for i in range(0, 12, 2)) if re.fullmatch(r"[0-9a-f]{12}", mac) else ""
    vlan = int(data["vlan"] or 0) if str(data["mode"]) == "Access" else 0
    network = str(data["switch"])
    return VmNic(
        # A card that was never started has the address 000000000000: its switch gives it one then.
        "" if plain == "00:00:00:00:00:00" else plain,
        f"{network} vlan {vlan}" if vlan else network,
        bool(data["legacy"]),
        str(data["mode"]) in {"Trunk", "Private"},
        tuple(str(a) for a in listed(data["addresses"]) if not str(a).lower().startswith("fe80:")),
    )
