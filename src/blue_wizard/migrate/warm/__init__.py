"""Warm migration: disks are copied while their machine runs, round by round, until what is left is short enough to stop for."""
