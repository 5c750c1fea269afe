"""Checks of the family glance: each file registers its own."""
