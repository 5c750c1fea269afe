"""Compute hosts whose hypervisor is a fake: a fleet to try campaigns on. Nova and Placement are the lab's real ones."""
