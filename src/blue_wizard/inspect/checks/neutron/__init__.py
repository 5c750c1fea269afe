"""Checks of the family neutron: each file registers its own."""
