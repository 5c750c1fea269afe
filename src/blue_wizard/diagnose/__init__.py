"""`blue-wizard diagnose`: where is it lost, and why? Reads only, unless a person asks for a packet to be sent."""
