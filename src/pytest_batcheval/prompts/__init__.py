"""From a prompt function and its arguments to request bodies."""
