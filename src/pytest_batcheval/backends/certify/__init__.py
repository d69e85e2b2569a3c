"""Certifying: cases that ask a server whether it speaks the Batch API as the API does."""
