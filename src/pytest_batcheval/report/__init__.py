"""Reports on what was sent: one read model of the journal's figures, and the error log."""
