"""Recordings, which are committed under cassettes/ and replayed offline."""
