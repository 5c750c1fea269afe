"""Facts of hosts and files: a command, and the pure parser of what it prints."""
