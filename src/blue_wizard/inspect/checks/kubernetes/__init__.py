"""Checks of the family kubernetes: each file registers its own."""
