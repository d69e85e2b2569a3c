"""The matrix of an evaluation: personas, questions and further axes, from files or hooks."""
