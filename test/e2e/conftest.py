"""Fixtures of the tests with real servers."""
