"""Measures: statistics on one table of answers, one file per public function."""
