"""Statistics of tests that pass or fail: one test's samples, a run's rate, two runs, verdicts in between."""
