"""A storage host as a virtual machine, with disks that fail, are pulled and put in."""
