"""Checks of the family placement: each file registers its own."""
