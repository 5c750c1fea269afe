"""Every number that we claim, measured by one command. Part of the repository, not of the package."""
