"""Checks of the family libvirt: each file registers its own."""
