"""Refusals in the API's own form: of a call `{"error": {"message", "type", "param", "code"}}`, of a batch `problem`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

LineProblem = dict[str, Any]

NO_QUOTA = "insufficient_quota"
"""The code of a refusal for lack of credit."""


class ApiError(Exception):
    """A refusal of the API.

    Attributes:
        status: the HTTP status.
        headers: headers of the refusal, such as `retry-after`.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        kind: str = "invalid_request_error",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})
        self.body: dict[str, Any] = {"error": {"message": message, "type": kind, "param": param, "code": code}}


def missing(param: str, code: str | None = "missing_required_parameter") -> ApiError:
    """400: a required parameter is missing."""
    return ApiError(400, f"Missing required parameter: '{param}'.", code=code, param=param)


def invalid_value(param: str, value: object, allowed: Sequence[str], code: str | None = "invalid_value") -> ApiError:
    """400: the value is not one of those allowed."""
    supported = ", ".join(f"'{name}'" for name in allowed)
    text = f"Invalid value: '{str(value)[:200]}'. Supported values are: {supported}."
    return ApiError(400, text, code=code, param=param)


def invalid_type(param: str, expected: str, value: object) -> ApiError:
    """400: a value of the wrong JSON type."""
    text = f"Invalid type for '{param}': expected {expected}, but got {kind_of(value)} instead."
    return ApiError(400, text, code="invalid_type", param=param)


def no_such_batch(batch_id: str) -> ApiError:
    """404: no batch of that id in this project."""
    return ApiError(404, f"No batch found with id '{batch_id}'.")


def no_such_model(model: str) -> ApiError:
    """404: no model of that name."""
    text = f"The model '{model[:200]}' does not exist or you do not have access to it."
    return ApiError(404, text, code="model_not_found", param="model")


def rate_limited(message: str, wait: float, code: str | None, headers: Mapping[str, str] | None = None) -> ApiError:
    """429 that ends by itself after `wait` seconds of virtual time."""
    wait = max(wait, 0.001)
    after = {"retry-after": str(math.ceil(wait)), "retry-after-ms": str(math.ceil(wait * 1000))}
    return ApiError(429, message, code=code, kind="requests", headers={**after, **(headers or {})})


def no_capacity() -> ApiError:
    """429 of the service tier flex, which is not charged (guide to flex processing; the code is a guess)."""
    text = "Resource unavailable: there is no capacity for this service tier now. Retry later, or use another tier."
    return ApiError(429, text, code="resource_unavailable", kind="resource_unavailable")


def no_quota() -> ApiError:
    """429 that does not end: the account has no credit left."""
    text = "You exceeded your current quota, please check your plan and billing details."
    return ApiError(429, text, code=NO_QUOTA, kind=NO_QUOTA)


def problem(code: str | None, message: str, line: int | None = None, param: str | None = None) -> LineProblem:
    """One entry of a failed batch's `errors.data`; lines are counted from 1."""
    return {"code": code, "message": message, "line": line, "param": param}


def kind_of(value: object) -> str:
    """The JSON type of a value, with its article."""
    names = {list: "an array", dict: "an object", str: "a string", bool: "a boolean", int: "an integer"}
    return names.get(type(value), "null" if value is None else "a decimal")
