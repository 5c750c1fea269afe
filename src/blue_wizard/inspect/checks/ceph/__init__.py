"""Checks of the family ceph: each file registers its own."""
