"""Slow, obvious engines: the judges of the fast ones."""
