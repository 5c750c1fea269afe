"""Maintenance of compute hosts: empty one, say that it is safe to work on, and give it back."""
