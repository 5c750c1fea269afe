"""Checks of the family ovs: each file registers its own."""
