"""For each check facts in which it must find something, and facts in which it must not. One file a family."""
