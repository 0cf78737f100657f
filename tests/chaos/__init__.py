"""A package, so that its service can end with the last of its tests."""
