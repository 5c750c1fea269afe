"""How a running host is held still, so that its disks can be read by SSH while nothing writes to them, and how it is let go.

A host that is off can't be asked for its disks. So at the cut-over its services are stopped and its file systems are made
read-only, while its SSH server runs on. It is noted in ``/run`` what that changed: a host that starts anew has forgotten it, as
it should. ``fsfreeze`` is not used: a frozen root holds the very login that would thaw it, and a killed worker would leave it so.
"""

from __future__ import annotations

__all__ = ["FOLDER", "HOLD", "RELEASE", "STATE"]

FOLDER = "/run/blue-wizard"

# What the way in needs, and what keeps disks and cards where they are. Everything else is stopped.
_KEPT = (
    r"^(ssh|sshd|sshd@.*|ssh@.*|ssh\.socket|systemd-.*|dbus.*|polkit|network.*|NetworkManager.*|wicked.*|ifup@.*|dhcpcd.*|dhclient.*"
    r"|wpa_supplicant.*|getty@.*|serial-getty@.*|user@.*|user-runtime-dir@.*|session-.*|multipathd?.*|iscsi.*|open-iscsi|lvm2-.*"
    r"|dm-event.*|mdmonitor.*|blk-availability|auditd|firewalld|nftables|iptables|ip6tables|sssd.*|nscd|nslcd|winbind"
    r"|chronyd?|ntpd?|haveged|rngd|rng-tools.*|qemu-guest-agent|vmtoolsd|open-vm-tools|rpcbind|dropbear.*|tailscaled|wg-quick@.*|openvpn.*|strongswan.*|ipsec|-\.slice)\.?(service|socket|timer|path)?$"
)
_WRITABLE = (
    r"""awk '$1 ~ "^/dev/" && $4 ~ /(^|,)rw(,|$)/ && $3 !~ /^(iso9660|squashfs|udf)$/ {print $2}' /proc/mounts"""
)

STATE = f"""
if [ ! -e {FOLDER}/still ]; then echo on
elif [ -n "$({_WRITABLE})" ]; then echo on
else echo still; fi
"""
"""Prints ``still`` while the host is held, else ``on``."""

HOLD = f"""
umask 077
d={FOLDER}
mkdir -p $d || exit 1
# What was there before us is noted first, and once: whoever comes after a crash must not note what we have made of it.
if [ ! -e $d/noted ]; then
    systemctl list-units --plain --no-legend --type=service,socket,timer,path --state=running,listening,waiting |
        awk '{{print $1}}' | grep -vE '{_KEPT}' > $d/units
    {_WRITABLE} > $d/mounts
    tail -n +2 /proc/swaps | awk '{{print $1}}' > $d/swaps
    touch $d/noted
fi
# Triggers first, so that nothing starts anew what is being stopped.
for kind in socket timer path service; do
    u=$(grep "\\.$kind\\$" $d/units) && systemctl stop $u
done
sync
while read -r s; do swapoff "$s" || echo "swap $s stays" >&2; done < $d/swaps
journalctl --relinquish-var >/dev/null 2>&1
sort -r $d/mounts > $d/mounts.deep
while read -r m; do mount -o remount,ro "$(printf '%b' "$m")" 2>/dev/null; done < $d/mounts.deep
n=0
while [ -n "$({_WRITABLE})" ]; do
    # Somebody still has a file open for writing: the kernel closes all file systems properly, without asking them.
    [ $n = 0 ] && echo u > /proc/sysrq-trigger
    n=$((n + 1))
    if [ $n -gt 100 ]; then echo "still writable: $({_WRITABLE} | tr '\\n' ' ')" >&2; exit 3; fi
    sleep 0.2
done
sync
touch $d/still
"""
"""Stops the services and makes every file system on a disk read-only; ends with 0 when all of it holds."""

RELEASE = f"""
d={FOLDER}
[ -d $d ] || exit 0
rm -f $d/still
failed=
[ -e $d/mounts ] && while read -r m; do
    mount -o remount,rw "$(printf '%b' "$m")" || failed="$failed $m"
done < $d/mounts
[ -z "$failed" ] || {{ echo "not writable again:$failed" >&2; exit 3; }}
[ -e $d/swaps ] && while read -r s; do swapon "$s" 2>/dev/null; done < $d/swaps
journalctl --flush >/dev/null 2>&1
for kind in path timer socket service; do
    u=$(grep "\\.$kind\\$" $d/units 2>/dev/null) && systemctl start $u
done
dead=
for u in $(grep '\\.service$' $d/units 2>/dev/null); do systemctl is-active -q $u || dead="$dead $u"; done
rm -rf $d
[ -z "$dead" ] || {{ echo "these services do not run again:$dead" >&2; exit 4; }}
"""
"""Undoes what HOLD noted. Nothing happens on a host that is not held."""
