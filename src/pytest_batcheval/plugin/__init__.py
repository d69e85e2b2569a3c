"""The pytest plugin as pytest loads it (`-p pytest_batcheval.plugin`): the hooks and the fixtures, by their names.

It may be imported before pytest loads it: PYTEST_DONT_REWRITE.
"""

from __future__ import annotations

from pytest_batcheval.plugin.benchmark import _batch_benchmark_alone, batch_benchmark
from pytest_batcheval.plugin.certifying import certified, strict_batch_server
from pytest_batcheval.plugin.conversation import batch_conversation
from pytest_batcheval.plugin.fixtures import (
    _batch_server_of_session,
    answer,
    answers,
    batch_client,
    batch_server,
    persona_matrix,
)
from pytest_batcheval.plugin.hooks import (
    pytest_addhooks,
    pytest_addoption,
    pytest_collection_finish,
    pytest_collection_modifyitems,
    pytest_configure,
    pytest_configure_node,
    pytest_generate_tests,
    pytest_pyfunc_call,
    pytest_report_collectionfinish,
    pytest_report_teststatus,
    pytest_runtest_call,
    pytest_runtest_makereport,
    pytest_runtest_setup,
    pytest_runtestloop,
    pytest_sessionfinish,
    pytest_terminal_summary,
    pytest_testnodedown,
)

__all__ = [
    "_batch_benchmark_alone",
    "_batch_server_of_session",
    "answer",
    "answers",
    "batch_benchmark",
    "batch_client",
    "batch_conversation",
    "batch_server",
    "certified",
    "persona_matrix",
    "pytest_addhooks",
    "pytest_addoption",
    "pytest_collection_finish",
    "pytest_collection_modifyitems",
    "pytest_configure",
    "pytest_configure_node",
    "pytest_generate_tests",
    "pytest_pyfunc_call",
    "pytest_report_collectionfinish",
    "pytest_report_teststatus",
    "pytest_runtest_call",
    "pytest_runtest_makereport",
    "pytest_runtest_setup",
    "pytest_runtestloop",
    "pytest_sessionfinish",
    "pytest_terminal_summary",
    "pytest_testnodedown",
    "strict_batch_server",
]
