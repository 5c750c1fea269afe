"""Checks of the family cinder: each file registers its own."""
