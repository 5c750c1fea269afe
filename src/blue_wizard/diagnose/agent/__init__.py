"""Programs that are sent to hosts over SSH, on stdin. Python 3.6 and its standard library are all that they need there."""
