"""Benchmarks on virtual time: what machine they ran on says nothing, so baselines do not name it."""

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_benchmark_generate_machine_info():
    return {"clock": "virtual"}


@pytest.hookimpl(tryfirst=True)
def pytest_benchmark_generate_commit_info():
    return {}
