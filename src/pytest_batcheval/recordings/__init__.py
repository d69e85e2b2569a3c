"""What is committed under cassettes/ and replayed offline."""
