"""Where a suite keeps what is stored, from its root, unless it is told otherwise."""

JOURNAL = ".batcheval/journal.sqlite"
CASSETTES = "cassettes"
