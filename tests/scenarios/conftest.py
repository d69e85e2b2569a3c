"""The models that the suite compares: the one it uses, and a larger one."""

from pytest_batcheval.catalogue.models import LARGER, MODEL


def pytest_batch_axes():
    return {"model": [LARGER, MODEL]}
