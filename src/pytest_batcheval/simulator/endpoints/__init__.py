"""The HTTP endpoints: a module for each group of calls, and their common parsing."""
