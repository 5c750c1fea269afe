"""How data looks on a terminal and elsewhere."""
