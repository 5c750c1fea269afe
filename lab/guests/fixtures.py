"""Files such as other platforms export: an OVA with a streamOptimized disk, a VHDX, and the like."""

from __future__ import annotations

import hashlib
import shutil
import tarfile
import tempfile
from pathlib import Path

from lab.guests.cache import get
from lab.run import run

OPTIONS = {"vmdk": ["-o", "subformat=streamOptimized"], "vpc": ["-o", "force_size=on"]}
OVF = """<?xml version="1.0" encoding="UTF-8"?>
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"
    xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData"
    xmlns:vssd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData"
    xmlns:vmw="http://www.vmware.com/schema/ovf">
  <References>
    <File ovf:id="file1" ovf:href="{name}-disk1.vmdk" ovf:size="{stored}"/>
  </References>
  <DiskSection>
    <Info>Disks</Info>
    <Disk ovf:diskId="d1" ovf:fileRef="file1" ovf:capacity="{size}" ovf:capacityAllocationUnits="byte"
        ovf:format="http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"/>
  </DiskSection>
  <NetworkSection>
    <Info>Networks</Info>
    <Network ovf:name="VM Network"><Description>The network of the guests</Description></Network>
  </NetworkSection>
  <VirtualSystem ovf:id="{name}">
    <Info>A virtual machine</Info>
    <Name>{name}</Name>
    <OperatingSystemSection ovf:id="96" vmw:osType="debian12_64Guest"><Info>Guest</Info></OperatingSystemSection>
    <VirtualHardwareSection>
      <Info>Hardware</Info>
      <System>
        <vssd:ElementName>Hardware family</vssd:ElementName><vssd:InstanceID>0</vssd:InstanceID>
        <vssd:VirtualSystemIdentifier>{name}</vssd:VirtualSystemIdentifier>
        <vssd:VirtualSystemType>vmx-19</vssd:VirtualSystemType>
      </System>
      <Item>
        <rasd:ElementName>CPU</rasd:ElementName><rasd:InstanceID>1</rasd:InstanceID>
        <rasd:ResourceType>3</rasd:ResourceType><rasd:VirtualQuantity>1</rasd:VirtualQuantity>
      </Item>
      <Item>
        <rasd:AllocationUnits>byte * 2^20</rasd:AllocationUnits>
        <rasd:ElementName>Memory</rasd:ElementName><rasd:InstanceID>2</rasd:InstanceID>
        <rasd:ResourceType>4</rasd:ResourceType><rasd:VirtualQuantity>{memory}</rasd:VirtualQuantity>
      </Item>
      <Item>
        <rasd:Address>0</rasd:Address>
        <rasd:ElementName>SCSI controller</rasd:ElementName><rasd:InstanceID>3</rasd:InstanceID>
        <rasd:ResourceSubType>VirtualSCSI</rasd:ResourceSubType><rasd:ResourceType>6</rasd:ResourceType>
      </Item>
      <Item>
        <rasd:AddressOnParent>0</rasd:AddressOnParent>
        <rasd:ElementName>Hard disk 1</rasd:ElementName>
        <rasd:HostResource>ovf:/disk/d1</rasd:HostResource>
        <rasd:InstanceID>4</rasd:InstanceID><rasd:Parent>3</rasd:Parent><rasd:ResourceType>17</rasd:ResourceType>
      </Item>
      <Item>
        <rasd:Address>00:50:56:aa:00:01</rasd:Address>
        <rasd:AddressOnParent>7</rasd:AddressOnParent>
        <rasd:Connection>VM Network</rasd:Connection>
        <rasd:ElementName>Network adapter 1</rasd:ElementName><rasd:InstanceID>5</rasd:InstanceID>
        <rasd:ResourceSubType>VmxNet3</rasd:ResourceSubType><rasd:ResourceType>10</rasd:ResourceType>
      </Item>
    </VirtualHardwareSection>
  </VirtualSystem>
</Envelope>
"""


def disk_file(fmt: str, raw: Path, out: Path) -> None:
    """The raw disk in another format (a name of qemu-img; "vmdk" is streamOptimized)."""
    run(["qemu-img", "convert", "-q", "-f", "raw", "-O", fmt, *OPTIONS.get(fmt, []), raw, out])


def ova(name: str, raw: Path, out: Path, *, memory: int = 256) -> None:
    """An OVA as VMware exports it: the OVF first, its manifest of SHA-256, the streamOptimized disk."""
    with tempfile.TemporaryDirectory(dir=out.parent) as scratch:
        folder = Path(scratch)
        disk = folder / f"{name}-disk1.vmdk"
        disk_file("vmdk", raw, disk)
        ovf = folder / f"{name}.ovf"
        ovf.write_text(OVF.format(name=name, stored=disk.stat().st_size, size=raw.stat().st_size, memory=memory))
        manifest = folder / f"{name}.mf"
        lines = (f"SHA256({f.name})= {hashlib.sha256(f.read_bytes()).hexdigest()}\n" for f in (ovf, disk))
        manifest.write_text("".join(lines))
        with tarfile.open(out, "w", format=tarfile.USTAR_FORMAT) as tar:
            for file in (ovf, manifest, disk):
                tar.add(file, file.name)


def demonstration(folder: Path) -> None:
    """`web.ova` and `db.vhdx` in the folder, made once."""
    folder.mkdir(parents=True, exist_ok=True)
    tiny = get("tiny")
    if not (folder / "web.ova").exists():
        ova("web", tiny, folder / "web.ova.part")
        (folder / "web.ova.part").rename(folder / "web.ova")
    if not (folder / "db.vhdx").exists():
        disk_file("vhdx", tiny, folder / "db.vhdx.part")
        shutil.move(folder / "db.vhdx.part", folder / "db.vhdx")
