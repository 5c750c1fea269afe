"""Checks of the family haproxy: each file registers its own."""
