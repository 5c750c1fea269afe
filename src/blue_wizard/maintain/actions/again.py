"""A host that still has a server's old folder of disks: Nova refuses the server, removes the folder, and takes it the next time.

The folder stays behind where a migration has failed after its guest had gone over (see `mended.py`). Nova refuses with
DestinationDiskExists in `pre_live_migration` (nova/virt/libvirt/driver.py), and what it does on the destination afterwards
(`rollback_live_migration_at_destination`) removes the folder. So nothing has to be deleted by us.
"""

from __future__ import annotations

import re
import time

from blue_wizard.jobs.actions import Args, Context
from blue_wizard.maintain import moving
from blue_wizard.reach.openstack import Cloud

__all__ = ["TRIES", "is_due"]

TRIES = 3
_CLEARED_S = 3.0
"""Nova does not wait until its destination has removed the folder."""
_REFUSED = re.compile(r"DestinationDiskExists|already exists, it is expected not to exist")


def is_due(ctx: Context, cloud: Cloud, args: Args) -> bool:
    """True when the server's last migration was refused for its old folder, which the destination has had time to remove then.

    That is so a few times for a step, and no more.
    """
    tries = int(ctx.noted("again") or 0)
    why = moving.failure_of(cloud, args["server"]) if tries < TRIES else ""
    if not _REFUSED.search(why):
        return False
    ctx.event("warning", "old folder of disks on destination", server=args["server"], said=why)
    ctx.note("again", tries + 1)
    time.sleep(_CLEARED_S)
    return True
