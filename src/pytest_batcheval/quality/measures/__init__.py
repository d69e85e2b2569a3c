"""Measures: statistics on one table of answers, a file for each public function."""
