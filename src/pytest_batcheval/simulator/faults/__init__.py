"""Fault plans: what shall go wrong with which call, by name."""
