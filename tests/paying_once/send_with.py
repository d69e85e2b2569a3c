"""`send` with the fields of its policy as keywords, for helpers that hand keywords on."""

from dataclasses import fields

from pytest_batcheval.engine.send import SendPolicy, send


def send_with(requests, **given):
    policy = {field.name: given.pop(field.name) for field in fields(SendPolicy) if field.name in given}
    return send(requests, policy=SendPolicy(**policy), **given)
