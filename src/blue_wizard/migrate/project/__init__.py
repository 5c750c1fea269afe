"""A project of a cloud of any age: what it has, its servers as machines, and its copy in a project of another cloud."""
