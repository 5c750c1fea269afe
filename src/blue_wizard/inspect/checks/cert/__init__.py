"""Checks of the family cert: each file registers its own."""
