"""Checks of the family keystone: each file registers its own."""
