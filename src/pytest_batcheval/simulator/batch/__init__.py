"""A batch from its create to its end: inspection of the input file, execution of its lines, result files."""
