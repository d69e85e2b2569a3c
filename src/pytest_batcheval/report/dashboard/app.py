"""The pages of the dashboard as an ASGI application: `GET` alone, this machine's names alone, no other origin."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, FunctionLoader
from markupsafe import Markup
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from pytest_batcheval.errors import BatchEvalError
from pytest_batcheval.journal.address import JournalAddress
from pytest_batcheval.journal.outcomes import Outcomes
from pytest_batcheval.report.changes import Changes, changes
from pytest_batcheval.report.dashboard import pictures
from pytest_batcheval.report.dashboard.live import LiveJournal
from pytest_batcheval.report.dashboard.trend import FAILING, figures, trend
from pytest_batcheval.report.html import html_of
from pytest_batcheval.report.language import ENGLISH, Language
from pytest_batcheval.report.stored_page import stored_page
from pytest_batcheval.text.sanitize import safe_to_show
from pytest_batcheval.wire import real_time

HOSTS = ("127.0.0.1", "localhost", "[::1]")
"""Names by which a browser on this machine asks; a page elsewhere cannot have one of them for itself."""

EVERY = 1.0
"""Real seconds between two looks at the journal while a page is open."""

PAGE = 50
"""Runs on a page."""

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
SECTIONS = ("now", "looks", "run", "answers")
"""The parts of the live page that change; each is a template."""


class Dashboard:
    """The pages on one journal and its recordings."""

    def __init__(self, journal: JournalAddress, cassettes: Path, words: Language = ENGLISH) -> None:
        self._journal, self._cassettes, self._words = journal, cassettes, words
        self._live = LiveJournal(journal)
        self._folder = files("pytest_batcheval.report.dashboard") / "templates"
        self._pages = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, finalize=_safe,
                                  loader=FunctionLoader(self._text))  # fmt: skip
        self._pages.globals["_"] = words
        self._pages.filters["when"] = lambda seconds: real_time.local("%Y-%m-%d %H:%M", seconds)
        self._sections: dict[str, str] = {}
        self._lock = asyncio.Lock()
        self._looked = 0.0

    def app(self) -> Starlette:
        """The application."""
        routes = [
            Route("/", self._guarded(self._now), methods=["GET"]),
            Route("/events", self._guarded(self._events), methods=["GET"]),
            Route("/runs", self._guarded(self._runs), methods=["GET"]),
            Route("/report", self._guarded(self._report), methods=["GET"]),
            Route("/trend", self._guarded(self._trend), methods=["GET"]),
            Route("/{name}", self._guarded(self._file), methods=["GET"]),
        ]
        return Starlette(routes=routes)

    def _guarded(self, page: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        """The page for requests to this machine's names, with its policy, and errors as texts."""

        async def guarded(request: Request) -> Response:
            name, colon, port = request.headers.get("host", "").rpartition(":")
            if (name if colon and port.isdigit() else request.headers.get("host", "")) not in HOSTS:
                return PlainTextResponse("This host is not served here.", 421)
            try:
                response = await page(request)
            except BatchEvalError as error:
                response = self._html("error", status=500, text=str(error))
            response.headers.setdefault("content-security-policy", POLICY)
            response.headers["x-content-type-options"] = "nosniff"
            response.headers["referrer-policy"] = "no-referrer"
            response.headers["cache-control"] = "no-store"
            return response

        return guarded

    async def _now(self, request: Request) -> Response:
        sections = await self._look()
        return self._html("now_page", sections={name: Markup(text) for name, text in sections.items()})

    async def _events(self, request: Request) -> Response:
        return StreamingResponse(self._changes(), media_type="text/event-stream")

    async def _changes(self) -> AsyncIterator[str]:
        """The changes: an event for each, a JSON object of section and HTML."""
        sent: dict[str, str] = {}
        while True:
            sections = await self._look()
            new = {name: text for name, text in sections.items() if sent.get(name) != text}
            yield f"data: {json.dumps(new)}\n\n" if new else ": nothing new\n\n"
            sent = sections
            await asyncio.sleep(EVERY)

    async def _look(self) -> dict[str, str]:
        """The sections of the live page, rendered anew at most once a second for all pages that are open."""
        async with self._lock:
            now = asyncio.get_running_loop().time()
            if not self._sections or now - self._looked >= EVERY * 0.9:
                self._sections = await run_in_threadpool(self._rendered)
                self._looked = now
            return self._sections

    def _rendered(self) -> dict[str, str]:
        try:
            state = self._live.state()
        except BatchEvalError as error:
            return {"now": self._render("error_text", text=str(error))}
        looks = Markup(pictures.looks(self._live.looks, self._words))
        rates = Markup(pictures.error_rate(state.rates, self._words))
        return {name: self._render(name, state=state, looks=looks, rates=rates) for name in SECTIONS}

    async def _runs(self, request: Request) -> Response:
        number = _number(request.query_params.get("page", "1"))
        outcomes = Outcomes.beside(self._journal)
        count, runs = outcomes.count(), outcomes.page((number - 1) * PAGE, PAGE)
        return self._html("runs", runs=runs, page=number, pages=max(1, -(-count // PAGE)), count=count)

    async def _report(self, request: Request) -> Response:
        run, against = (request.query_params.get(name, "") for name in ("run", "against"))
        page = _number(request.query_params.get("answers", "1"))
        text = await run_in_threadpool(self._report_text, run, against, page)
        if text is None:
            said = self._words("There is no such run; the page of runs has those that are.")
            return self._html("error", status=404, text=said)
        response = HTMLResponse(text)
        response.headers["content-security-policy"] = ""  # its own is in its head
        return response

    def _report_text(self, run: str, against: str, page: int) -> str | None:
        outcomes = Outcomes.beside(self._journal)
        known = {name: dict(outcomes.runs(name)).get(name) for name in (run, against) if name}
        if not run or None in known.values():
            return None
        tests = outcomes.of_run(run)
        since: Changes | None = None
        if against:
            since = changes(known[against] or 0.0, outcomes.of_run(against), tests)
        paged = page, f"?{urlencode({'run': run} | ({'against': against} if against else {}))}&answers="
        named = run, known[run] or 0.0, tests
        return html_of(stored_page(self._journal, self._cassettes, named, since=since, words=self._words, paged=paged))

    async def _trend(self, request: Request) -> Response:
        outcomes = Outcomes.beside(self._journal)
        chosen = request.query_params.get("figure", FAILING)
        known = figures(outcomes, self._words)
        points = trend(outcomes, chosen)
        title = dict(known).get(chosen, "")
        picture = Markup(pictures.trend(points, self._words)) if points else ""
        return self._html("trend", figures=known, chosen=chosen, points=points, title=title, picture=picture)

    async def _file(self, request: Request) -> Response:
        name = request.path_params["name"]
        kinds = {"live.js": "text/javascript", "style.css": "text/css"}
        if name not in kinds:
            return self._html("error", status=404, text=self._words("There is no such page."))
        return Response(self._text(name), media_type=kinds[name])

    def _text(self, name: str) -> str:
        return (self._folder / name).read_text(encoding="utf-8")

    def _html(self, name: str, status: int = 200, **values: Any) -> HTMLResponse:
        return HTMLResponse(self._render(name, **values), status)

    def _render(self, name: str, **values: Any) -> str:
        return self._pages.get_template(f"{name}.html.jinja").render(journal=str(self._journal), **values)


def _safe(value: object) -> object:
    return safe_to_show(value) if type(value) is str else value


def _number(text: str) -> int:
    return max(1, int(text)) if text.isascii() and text.isdigit() and len(text) < 9 else 1
