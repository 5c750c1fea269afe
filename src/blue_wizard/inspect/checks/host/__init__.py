"""Checks of the family host: each file registers its own."""
