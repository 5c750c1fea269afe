"""Checks of the family memcached: each file registers its own."""
