"""`blue-wizard doctor`: is everything there that an operation will need? Reads only.

One check is one function that registers itself with `@check`, in a file of `doctor/checks/`.
"""
