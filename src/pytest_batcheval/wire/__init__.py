"""The Batch API's objects as data: requests, answers, keys, lines; without network or pytest."""
