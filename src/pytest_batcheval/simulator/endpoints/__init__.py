"""The HTTP endpoints: a module for each group of calls, and the parsing they share."""
