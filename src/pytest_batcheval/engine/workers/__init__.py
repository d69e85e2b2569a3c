"""Individual calls that other processes make, on any machines that share a journal in PostgreSQL."""
