"""Failed disks of Ceph: found, proved, replaced, rebuilt."""
