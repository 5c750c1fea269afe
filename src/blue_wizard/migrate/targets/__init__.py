"""The actions that make, fill and start the target server, one kind of object a file."""
