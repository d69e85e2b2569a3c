"""A local server with the Batch API, whose answers respondents write and whose time is virtual."""
