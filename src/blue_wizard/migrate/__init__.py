"""Migration of virtual machines into OpenStack."""
