"""Respondents, which write the simulator's answers: pure functions of seed, request body and sample."""
