"""The models that the suite compares: the one it uses, and a cheaper one."""


def pytest_batch_axes():
    return {"model": ["gpt-4.1-mini", "gpt-4.1-nano"]}
