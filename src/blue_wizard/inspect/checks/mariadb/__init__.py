"""Checks of the family mariadb: each file registers its own."""
