"""Structured outputs: answers that match the JSON Schema in a request."""
