"""Checks of the family keepalived: each file registers its own."""
