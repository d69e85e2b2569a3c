"""Certifying: cases that ask a server whether it speaks the Batch API as it is documented."""
