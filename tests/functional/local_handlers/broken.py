"""A module that cannot be loaded."""

raise ImportError("the library is not in the zip")
