"""Text for people: sanitizing, formatting, tables."""
