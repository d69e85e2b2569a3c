"""Text for people: made safe, formatted, laid out in tables."""
