"""Judges: the request to one, its verdict, and its reliability."""
