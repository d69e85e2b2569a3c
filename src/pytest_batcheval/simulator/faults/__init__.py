"""Fault plans: named faults, and the calls that each one strikes."""
