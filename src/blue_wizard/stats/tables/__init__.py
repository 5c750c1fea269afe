"""The tables of `blue-wizard stats` and the statistics that sum them up: each file registers its own."""
