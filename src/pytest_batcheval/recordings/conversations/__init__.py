"""Conversations with a Batch API under cassettes/conversations: recorded by vcrpy, replayed offline."""
