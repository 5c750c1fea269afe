"""The transfer of a disk: what is read, what is written, what is remembered of it, and the proof that both are equal.

A `Reader` tells where data lies and reads it; `planner` cuts that into objects of the target; `engine.copy` moves them, several at
once, into a `Writer`, and notes each one in a `Journal`; `verify` reads the target back. Why it is done so: docs/adr/0010.
"""
