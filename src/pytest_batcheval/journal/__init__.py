"""The local SQLite record of what was planned, sent, paid and answered; without network."""
