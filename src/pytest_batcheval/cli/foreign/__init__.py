"""Evaluations that other tools have exported, read into one shape; `cli.import_from` writes them as tests."""
