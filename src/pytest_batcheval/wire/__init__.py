"""The Batch API's objects as data: requests, answers, keys, lines. Knows no network, no pytest."""
