"""Faults on recorded facts: a module for each of `diagnose/rules/`."""
