"""The actions of maintenance, a kind a file; each is registered by its verb."""
