"""Checks of the family rabbitmq: each file registers its own."""
