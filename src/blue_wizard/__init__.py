"""Blue Wizard: moves, diagnoses and maintains private clouds built on OpenStack and Ceph."""

__version__ = "0.1.0"
