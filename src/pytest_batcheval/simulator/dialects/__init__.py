"""Dialects: the APIs of other providers, each over the same files, batches, clock, ledger and faults."""
