"""A cloud of any age as an origin: its API, its servers as machines, and how disks of theirs are made readable."""
