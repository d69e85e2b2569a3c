"""A local server that speaks the Batch API; respondents write its answers, and its time is virtual."""
