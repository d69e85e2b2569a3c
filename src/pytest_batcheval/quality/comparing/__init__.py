"""Two runs compared, a run against a baseline, and the power of a matrix."""
