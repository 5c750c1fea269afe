"""Guests of the lab: disks that boot (made once, kept in the cache), and the files that demonstrations import."""
