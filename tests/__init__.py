"""Tests: the tree of the package, with test_ in front of each file."""
