"""The checks of `blue-wizard doctor`: each file registers its own."""
