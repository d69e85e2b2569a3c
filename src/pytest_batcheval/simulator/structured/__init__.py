"""Structured outputs: answers that validate against the JSON Schema a request asks for."""
