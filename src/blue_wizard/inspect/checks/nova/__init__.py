"""Checks of the family nova: each file registers its own."""
