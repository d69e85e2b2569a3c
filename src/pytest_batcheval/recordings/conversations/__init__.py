"""Conversations with a Batch API under cassettes/conversations, recorded by vcrpy and replayed offline."""
