"""Answers to single request bodies, in the shape of each endpoint."""
