"""The local SQLite record of what was intended, sent and answered; knows no network."""
