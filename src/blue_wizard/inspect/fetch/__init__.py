"""How facts are read: each file registers the ways to some."""
