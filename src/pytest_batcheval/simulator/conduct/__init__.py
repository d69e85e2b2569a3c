"""Conduct: what a client did with the API, logged call by call and judged at the end."""
