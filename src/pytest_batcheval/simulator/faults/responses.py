"""Faults of responses: the provider did one thing and reports another."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pytest_batcheval.simulator.errors import ApiError
from pytest_batcheval.simulator.http_exchange import Exchange, HttpReply

ENDED = ("completed", "failed", "expired", "cancelled")


async def list_lag(exchange: Exchange, seconds: float = 60.0) -> None:
    """Batches younger than `seconds` are missing from the list."""
    reply = await exchange.handle(exchange)
    oldest = exchange.state.clock.now() - seconds
    batches = reply.body["data"]
    seen = [batch for batch in batches if batch["created_at"] <= oldest]
    total = {"total": reply.body["total"] - len(batches) + len(seen)} if "total" in reply.body else {}
    await _send(exchange, reply, data=seen, **total)


async def page_repeats(exchange: Exchange) -> None:
    """The first page is returned again, whatever `after` is, with `has_more` true."""
    for cursor in ("after", "after_id", "before_id", "page", "pageToken"):
        exchange.query.pop(cursor, None)
    reply = await exchange.handle(exchange)
    await _send(exchange, reply, has_more=True)


async def file_not_found(exchange: Exchange) -> None:
    """404 for a file that exists, as can happen just after an upload."""
    await exchange.send(_refusal(404, f"No such File object: {exchange.name}", "id"))


async def batch_not_found(exchange: Exchange) -> None:
    """404 for a batch that exists."""
    await exchange.send(_refusal(404, f"No batch found with id '{exchange.name}'."))


async def wrong_counts(exchange: Exchange) -> None:
    """The counts report every request as completed, whatever happened."""
    reply = await exchange.handle(exchange)
    total = (reply.body.get("request_counts") or {}).get("total", 0)
    await _send(exchange, reply, request_counts={"total": total, "completed": total, "failed": 0})


async def status_backwards(exchange: Exchange) -> None:
    """The batch is reported as `validating` again."""
    await _send(exchange, await exchange.handle(exchange), **_unfinished("validating"))


async def unknown_status(exchange: Exchange, status: str = "paused") -> None:
    """The batch has a status that the API does not define."""
    await _send(exchange, await exchange.handle(exchange), **_unfinished(status))


async def stuck(exchange: Exchange, status: str = "finalizing") -> None:
    """The batch is reported with the same `status` for as long as the fault strikes."""
    await _send(exchange, await exchange.handle(exchange), **_unfinished(status))


async def null_output(exchange: Exchange) -> None:
    """An ended batch does not name its files yet."""
    reply = await exchange.handle(exchange)
    await _send(exchange, reply, output_file_id=None, error_file_id=None)


async def empty_error_file(exchange: Exchange) -> None:
    """`error_file_id` is an empty string."""
    reply = await exchange.handle(exchange)
    await _send(exchange, reply, error_file_id=reply.body.get("error_file_id") or "")


async def vanished(exchange: Exchange) -> None:
    """The batch is gone once it has ended; until then nothing happens."""
    reply = await exchange.handle(exchange)
    if reply.body.get("status") not in ENDED:
        return await exchange.send(reply)
    exchange.project.batches.pop(exchange.name, None)
    return await batch_not_found(exchange)


async def expired_output(exchange: Exchange) -> None:
    """The result file is gone, as after 30 days."""
    await exchange.handle(exchange)  # which finds the caller's project
    batch = exchange.project.batches.get(exchange.name)  # whose results have no id of their own in some dialects
    name = exchange.name if batch is None else str(batch.fields["output_file_id"])
    file = exchange.project.files.get(name)
    if file is not None and file.purpose == "batch_output":
        exchange.state.drop_file(exchange.project, file)
    await file_not_found(exchange)


async def cancel_refused(exchange: Exchange) -> None:
    """409: the batch has just begun to finalize."""
    await exchange.send(_refusal(409, "Cannot cancel a batch with status 'finalizing'."))


def _unfinished(status: str) -> dict[str, Any]:
    gone = dict.fromkeys(("output_file_id", "error_file_id", *(f"{ended}_at" for ended in ENDED)))
    return {"status": status, **gone}


def _refusal(status: int, message: str, param: str | None = None) -> HttpReply:
    return HttpReply(status, ApiError(status, message, param=param).body, "error")


async def _send(exchange: Exchange, reply: HttpReply, **changed: Any) -> None:
    if reply.status == 200 and isinstance(reply.body, dict):
        reply = replace(reply, body={**reply.body, **changed})
    await exchange.send(reply)
