"""Checks of the family cross: each file registers its own."""
