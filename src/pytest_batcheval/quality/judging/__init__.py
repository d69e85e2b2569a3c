"""Judges: what is asked of one, how its verdict is read, and how far it can be believed."""
