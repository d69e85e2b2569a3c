"""Default paths of the journal and the recordings, relative to the root of the suite."""

JOURNAL = ".batcheval/journal.sqlite"
CASSETTES = "cassettes"
