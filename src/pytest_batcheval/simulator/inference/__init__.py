"""Answers to single request bodies, in the form of each endpoint."""
