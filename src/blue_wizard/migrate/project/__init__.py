"""A project of a cloud of any age: what it has, and its copy in a project of another cloud."""
