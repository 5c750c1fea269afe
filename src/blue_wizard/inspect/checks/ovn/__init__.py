"""Checks of the family ovn: each file registers its own."""
