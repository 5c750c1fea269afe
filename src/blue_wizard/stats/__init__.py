"""`blue-wizard stats`: what there is, who uses it, when it runs out. Reads only.

One table is one file of `stats/tables/`, with the statistics that sum it up; each registers itself.
"""
