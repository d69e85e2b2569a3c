"""Options and ini keys, read once into one object."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_batcheval.catalogue.models import MODEL
from pytest_batcheval.errors import UsageError
from pytest_batcheval.journal.address import JournalAddress, journal_address
from pytest_batcheval.plugin._pytest_compat import ini_value
from pytest_batcheval.text.format import seconds
from pytest_batcheval.wire.default_paths import CASSETTES, JOURNAL
from pytest_batcheval.wire.rounds import checked_round

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from decimal import Decimal

ROUND_VARIABLE = "BATCHEVAL_ROUND"
"""Environment variable with the round of a scheduled run."""

MODES = ("replay", "plan", "send", "record")
SENDING = ("send", "record")
CALLS = ("batch", "individual", "flex")
MISSING = ("fail", "skip")
_INI = (
    ("batch", "default of --batch", "replay"),
    ("batch_backend", "default of --batch-backend: the run's own", "openai"),
    ("batch_calls", "default of --batch-calls", "batch"),
    ("batch_workers", "default of --batch-workers: empty, the run makes its calls itself", ""),
    ("batch_journal", "default of --batch-journal", JOURNAL),
    ("batch_round", "default of --batch-round: empty accepts the answers of any round", ""),
    ("batch_wait", "default of --batch-wait: empty waits until all batches have ended", ""),
    ("batch_deadline", "default of --batch-deadline: empty leaves --batch-calls as it is", ""),
    ("batch_attempts", "default of --batch-attempts", "3"),
    ("batch_budget", "default of --batch-budget: empty sets no limit", ""),
    ("batch_report", "default of --batch-report: empty writes none", ""),
    ("batch_lang", "language of the report's words and of explain(): en or ko", "en"),
    ("batch_comment", "default of --batch-comment: empty writes none", ""),
    ("batch_missing", "what an unrecorded test does in replay: fail or skip", "fail"),
)
RUN = "batcheval_run"
"""Name under which a worker gets the id of its controller's run."""

_FLAGS = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
"""The words of pytest's ini keys of type `bool`."""

MARKER = (
    "batch(prompt, samples=1, passes=None, min_pass=None, endpoint=None, backend=None, errors='raise', axes={}, "
    "**axis): get the answers of this test's requests from a batch; a keyword that is an axis narrows it to an id or a "
    "list of ids. "
    "Without prompt= a plain marker."
)


@dataclass(frozen=True)
class Settings:
    """The user's choices for this run.

    Attributes:
        mode: `replay`, `plan`, `send` or `record`.
        backend: the run's own: `openai`, `simulator[:respondent]` or a base URL.
        backends: those for names that tests choose, by name; `given_backends` are the names of the command line.
        calls: `batch`, or `individual` calls of the endpoints, with `flex` those of that service tier.
        workers: who makes individual calls, as `--batch-workers` has it; empty for the run itself.
        missing: what an unrecorded test does in replay: `fail` or `skip`.
        wait: seconds to wait for batches, and for another process's lock; `None` waits for ever.
        deadline: seconds in which answers are wanted, by which batches or individual calls are chosen; `None` for none.
        round: the round whose answers are wanted; empty accepts those of any.
        attempts: the most times that a request is sent while its failures are transient.
        budget: US dollars that may be spent at most; `None` sets no limit.
        enqueued_tokens: input tokens that may wait at the provider at once, by model.
        assume_lost: take a create without an answer for lost without the long wait, and a cut result file as it is.
        ignore_unmarked: send also what a batch of the account, made by other tools, has already.
        pay_again: send requests again whose answers were paid and are gone at the provider.
        until_decided: send samples in waves until the verdicts on them are decided.
        fail_on_regression: end with status 1 where fewer tests pass than in the run before, significantly.
        report: the HTML file to write at the end; `None` writes none.
        comment: the Markdown file to write at the end, for a comment on a pull request; `None` writes none.
        cassettes: the folder of recordings.
        axes: lines `name=path` of the ini key `batch_axes`.
        factors: lines of the ini key `batch_factors`.
        root: the folder that recordings, journal and axes are relative to.
    """

    mode: str
    backend: str
    backends: Mapping[str, str]
    given_backends: frozenset[str]
    calls: str
    workers: str
    journal: JournalAddress
    refresh: bool
    round: str
    missing: str
    wait: float | None
    deadline: float | None
    attempts: int
    budget: Decimal | None
    enqueued_tokens: Mapping[str, int]
    assume_lost: bool
    ignore_unmarked: bool
    pay_again: bool
    until_decided: bool
    fail_on_regression: bool
    report: Path | None
    lang: str
    comment: Path | None
    cassettes: Path
    axes: tuple[str, ...]
    factors: tuple[str, ...]
    root: Path

    @property
    def batched(self) -> bool:
        """Whether requests are sent as batches, and not as individual calls."""
        return self.calls == "batch"

    @property
    def tier(self) -> str:
        """The service tier that individual calls ask for; empty for the standard one."""
        return self.calls if self.calls == "flex" else ""

    @property
    def sends(self) -> bool:
        """Whether this run may spend money."""
        return self.mode in SENDING


def add_options(parser: pytest.Parser) -> None:
    """Declare every option with its ini key (the same name with underscores)."""
    group = parser.getgroup("batch", "evaluating LLM answers through the Batch API")
    _add_sources(group)
    _add_round(group)
    _add_limits(group)
    _add_verdicts(group)
    _add_remedies(group)
    for name, meaning, default in _INI:
        parser.addini(name, meaning, default=default)
    parser.addini("batch_refresh", "default of --batch-refresh", default="false")
    parser.addini("batch_ignore_unmarked", "default of --batch-ignore-unmarked", default="false")
    parser.addini("batch_enqueued_tokens", "values of --batch-enqueued-tokens, a line each", type="linelist")
    parser.addini(
        "batch_backends", "backends for the names that tests choose, a line each: judge = anthropic", "linelist"
    )
    parser.addini("batch_axes", "axes from files, a line each: persona=fixtures/personas.yaml", type="linelist")
    parser.addini("batch_factors", "factors of profiles besides the TCI's, or cut-offs: NS HA = 45 55", type="linelist")


def _add_sources(group: pytest.OptionGroup) -> None:
    """Declare the options for the sources of answers, and for the journal."""
    group.addoption(
        "--batch",
        choices=MODES,
        help="replay: recorded answers only, no network, no key (default). plan: print the requests that would be "
        "sent and their cost, send nothing, run no test. send: answer from journal and recordings, send the rest as "
        "batches. record: send, and write the selected answers to cassettes/.",
    )
    group.addoption(
        "--batch-backend",
        metavar="[NAME=]BACKEND",
        action="append",
        help="where requests go: openai (default; OPENAI_API_KEY, OPENAI_BASE_URL), another provider by its name "
        "(docs/providers.md), simulator[:respondent] (local, free), folder:DIR, or the base URL of a server that "
        "speaks the Batch API. NAME=BACKEND (repeatable): where requests go that choose this name, as by "
        "@pytest.mark.batch(backend='judge').",
    )
    _add_calls(group)
    group.addoption(
        "--batch-report",
        metavar="FILE.html",
        help="write a report on this run: outcomes by axis, where tests fail, every answer; one HTML file.",
    )
    group.addoption(
        "--batch-comment",
        metavar="FILE.md",
        help="write a summary of this run for a comment on a pull request; one Markdown file of at most 60 kB.",
    )
    group.addoption(
        "--batch-journal", metavar="PATH", help=f"the journal, or postgresql://host/database (default: {JOURNAL})."
    )
    group.addoption(
        "--batch-refresh",
        action="store_true",
        default=None,
        help="send the selected requests again although they are answered (paid again; older answers are kept).",
    )


def _add_calls(group: pytest.OptionGroup) -> None:
    """Declare how requests are sent."""
    group.addoption(
        "--batch-calls",
        choices=CALLS,
        help="batch: requests are sent as batches, at half the price (default). individual: each is sent to its "
        "endpoint by itself, answered within seconds. flex: individual calls with service_tier flex, slower and at the "
        "price of a batch; those without capacity are made at the standard price.",
    )
    group.addoption(
        "--batch-workers",
        metavar="WORKERS",
        help="who makes individual calls, with a journal in PostgreSQL: any (processes of batcheval work, on any "
        "machine), a number of processes that the run starts, or ray[:ADDRESS], tasks of a Ray cluster. Default: the "
        "run itself.",
    )


def _add_round(group: pytest.OptionGroup) -> None:
    """Declare the round."""
    group.addoption(
        "--batch-round",
        metavar="NAME",
        help="ask every request once in this round, such as 2026-W48, whatever earlier rounds answered; on any machine "
        f"the same round collects what it has asked. Default: {ROUND_VARIABLE}, then the ini key; none accepts any "
        "answer.",
    )


def _add_limits(group: pytest.OptionGroup) -> None:
    """Declare the limits of time, attempts and money."""
    group.addoption(
        "--batch-wait",
        metavar="DURATION",
        help="the longest time to wait for batches (90, 90s, 15m, 12h, 2d; 0: submit and leave). Ends with exit status "
        "10 if batches are still running then; the same command collects them later. Default: until all have ended.",
    )
    group.addoption(
        "--batch-deadline",
        metavar="DURATION",
        help="when answers are wanted at the latest (2h): batches if similar ones of the journal ended by then, else "
        "individual calls, with service tier flex where that is cheaper and quick enough. Instead of --batch-calls; "
        "without --batch-wait the run ends then.",
    )
    group.addoption(
        "--batch-attempts",
        metavar="N",
        type=int,
        help="the most times that a request is sent while its failures are transient (default: 3).",
    )
    group.addoption(
        "--batch-budget",
        metavar="USD",
        help="spend at most this many US dollars in this run, estimated for the worst case before anything is sent; a "
        "wave that could cost more, or an unknown amount, is not sent at all (exit status 4).",
    )
    group.addoption(
        "--batch-enqueued-tokens",
        metavar="MODEL=N",
        action="append",
        help="have at most N input tokens of a model wait at the provider at once (repeatable); further batches are "
        "created when earlier ones have ended. Default: the limit that a refusal of the provider named before.",
    )


def _add_verdicts(group: pytest.OptionGroup) -> None:
    """Declare the options on verdicts: over the samples of a test, over a run."""
    group.addoption(
        "--batch-until-decided",
        action="store_true",
        help="send the samples of tests with passes= or min_pass= in waves, run these tests after each, and stop when "
        "the verdict holds: ten waves of samples= at most, within --batch-budget.",
    )
    group.addoption(
        "--batch-fail-on-regression",
        action="store_true",
        help="end with status 1 also if significantly fewer tests pass than in the newest earlier run of them.",
    )
    group.addoption(
        "--batch-mutants",
        metavar="NAMES",
        nargs="?",
        const="exchanged",
        help="run each test also on the answers to requests that are wrong in a known way, and print which tests "
        "notice: names of mutants such as persona:one, or of groups, with commas between: exchanged (default: values "
        "of axes, which other tests ask anyway), cut (instructions), language, traits, all. Ends with status 1 if "
        "no test notices one.",
    )


def _add_remedies(group: pytest.OptionGroup) -> None:
    """Declare the only options that send requests again although they may have been paid."""
    group.addoption(
        "--batch-assume-lost",
        action="store_true",
        help="take a create without an answer for lost as soon as the provider does not list it, instead of waiting "
        "until that is certain; if it was accepted all the same, it is paid twice.",
    )
    group.addoption(
        "--batch-ignore-unmarked",
        action="store_true",
        default=None,
        help="send requests also if a batch of the account, made by other tools, has them: they are paid twice. "
        "Without it such a run ends before it sends and names the command that takes that batch over.",
    )
    group.addoption(
        "--batch-pay-again",
        action="store_true",
        help="send requests again whose answers were paid and are gone at the provider: lost batches, expired result "
        "files.",
    )


def check(config: pytest.Config) -> None:
    """Refuse invalid values of options and ini keys, also in a run that would not use them.

    Raises:
        pytest.UsageError: an option or ini key has an invalid value.
    """
    chosen = read_settings(config)
    _one_of("batch", chosen.mode, MODES)
    _one_of("batch_calls", chosen.calls, CALLS)
    _one_of("batch_missing", chosen.missing, MISSING)
    if chosen.workers:
        check_workers(chosen)


def check_workers(chosen: Settings) -> None:
    """Refuse workers that could not work.

    Raises:
        pytest.UsageError: there are none of this form, the journal is a file, or nothing is sent as individual calls.
    """
    from pytest_batcheval.engine.workers import forms

    try:
        forms.check_workers(chosen.workers, chosen.journal)
    except UsageError as error:
        raise pytest.UsageError(f"batch_workers: {error}") from None
    if chosen.batched and chosen.deadline is None:
        raise pytest.UsageError("batch_workers: workers make individual calls: add --batch-calls=individual")


def mode(config: pytest.Config) -> str:
    """The mode of this run: `replay`, `plan`, `send` or `record`."""
    return str(_chosen(config, "batch"))


def root_of(config: pytest.Config) -> Path:
    """The folder of pytest's configuration file, whatever `--rootdir` an IDE gives; rootdir without such a file."""
    ini = config.inipath
    return ini.parent if ini is not None and ini.is_file() else config.rootpath


def read_settings(config: pytest.Config) -> Settings:
    """The settings of this run; an option beats its ini key."""
    backend, backends, given_backends = _backends(config)
    return Settings(
        mode=mode(config),
        backend=backend,
        backends=backends,
        given_backends=given_backends,
        calls=str(_chosen(config, "batch_calls")),
        workers=str(_chosen(config, "batch_workers")),
        journal=journal_address(str(_chosen(config, "batch_journal")), root_of(config)),
        refresh=_flag(config, "batch_refresh"),
        round=_round(config),
        missing=_ini_text(config, "batch_missing"),
        wait=_seconds(config, "batch_wait"),
        deadline=_seconds(config, "batch_deadline"),
        attempts=_attempts(config),
        budget=_budget(config),
        enqueued_tokens=_enqueued_tokens(config),
        assume_lost=bool(config.getoption("batch_assume_lost")),
        ignore_unmarked=_flag(config, "batch_ignore_unmarked"),
        pay_again=bool(config.getoption("batch_pay_again")),
        until_decided=bool(config.getoption("batch_until_decided")),
        fail_on_regression=bool(config.getoption("batch_fail_on_regression")),
        report=_place(config, "batch_report", _check_report),
        lang=lang(config),
        comment=_place(config, "batch_comment", _check_comment),
        cassettes=root_of(config) / CASSETTES,
        axes=tuple(_lines(config, "batch_axes")),
        factors=tuple(_lines(config, "batch_factors")),
        root=root_of(config),
    )


def _backends(config: pytest.Config) -> tuple[str, dict[str, str], frozenset[str]]:
    """The run's own backend, those of names, and the names of the command line; the last one given counts."""
    given = [(found, text) for text in config.getoption("batch_backend") or () for found in (_NAMED.match(text),)]
    own = [text for found, text in given if found is None]
    named = {}
    for line in _lines(config, "batch_backends"):
        if (found := _NAMED.match(line)) is None:
            raise pytest.UsageError(f"batch_backends = {line!r}: must be NAME = BACKEND, such as judge = anthropic")
        named[found[1]] = found[2]
    chosen = {found[1]: found[2] for found, _ in given if found is not None}
    return own[-1] if own else _ini_text(config, "batch_backend"), named | chosen, frozenset(chosen)


_NAMED = re.compile(r"([\w.-]+)\s*=\s*(\S.*)")
"""A backend for a name; a base URL and a folder have another character before any `=`."""


def _seconds(config: pytest.Config, name: str) -> float | None:
    text = str(_chosen(config, name))
    try:
        return seconds(text) if text else None
    except ValueError as error:
        raise pytest.UsageError(f"{name} = {error}") from None


def _attempts(config: pytest.Config) -> int:
    text = str(_chosen(config, "batch_attempts"))
    if not text.isdecimal() or int(text) < 1:
        raise pytest.UsageError(f"batch_attempts = {text!r}: must be an integer, at least 1")
    return int(text)


def _budget(config: pytest.Config) -> Decimal | None:
    text = str(_chosen(config, "batch_budget"))
    if not text:
        return None
    from decimal import Decimal

    if not text.replace(".", "", 1).replace("e-", "", 1).isdecimal():  # 1e-05 is how TOML's 0.00001 is printed
        raise pytest.UsageError(f"batch_budget = {text!r}: must be a number of US dollars such as 2.50")
    return Decimal(text)


def _place(config: pytest.Config, name: str, check_place: Callable[[Path], None]) -> Path | None:
    """The file of a page: an option's is below the current folder, an ini key's below the root of the suite."""
    given, declared = config.getoption(name), _ini_text(config, name)
    path = Path(given) if given else root_of(config) / declared if declared else None
    if path is not None and not hasattr(config, "workerinput"):
        try:
            check_place(path)
        except UsageError as error:
            raise pytest.UsageError(f"{name}: {error}") from None
    return path


def lang(config: pytest.Config) -> str:
    """The language of reports and of `explain()`.

    Raises:
        pytest.UsageError: there is no such language.
    """
    from pytest_batcheval.text.phrase import LANGUAGES

    code = _ini_text(config, "batch_lang")
    if code not in LANGUAGES:
        raise pytest.UsageError(f"batch_lang = {code!r}: must be one of {', '.join(LANGUAGES)}")
    return code


def _check_report(path: Path) -> None:
    from pytest_batcheval.report.html import check_place

    check_place(path)


def _check_comment(path: Path) -> None:
    from pytest_batcheval.report.ci_page import KIND, MARK
    from pytest_batcheval.report.own_file import check_own

    check_own(path, MARK, KIND)


def _round(config: pytest.Config) -> str:
    chosen = config.getoption("batch_round")
    name = str(os.environ.get(ROUND_VARIABLE) or _ini_text(config, "batch_round") if chosen is None else chosen)
    try:
        return checked_round(name)
    except UsageError as error:
        raise pytest.UsageError(f"batch_round = {error}") from None


def _enqueued_tokens(config: pytest.Config) -> dict[str, int]:
    lines = config.getoption("batch_enqueued_tokens") or _lines(config, "batch_enqueued_tokens")
    return dict(map(_tokens_of_model, lines))


def _tokens_of_model(text: str) -> tuple[str, int]:
    model, _, tokens = (part.strip() for part in text.rpartition("="))
    if not model or not tokens.isdecimal() or not 0 < int(tokens) < 2**63:
        raise pytest.UsageError(f"batch_enqueued_tokens = {text!r}: must be MODEL=N, such as {MODEL}=2000000")
    return model, int(tokens)


def _chosen(config: pytest.Config, name: str) -> object:
    value = config.getoption(name)
    return _ini_text(config, name) if value is None else value


def _flag(config: pytest.Config, name: str) -> bool:
    value = config.getoption(name)
    if value is None:
        value = ini_value(config, name)
    if isinstance(value, bool):
        return value
    if (word := str(value).strip().lower()) not in _FLAGS:
        raise pytest.UsageError(f"{name} = {value!r}: must be true or false")
    return _FLAGS[word]


def _ini_text(config: pytest.Config, name: str) -> str:
    """The text of an ini key; native TOML may also have a number, a date or a boolean for it."""
    value = ini_value(config, name)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _lines(config: pytest.Config, name: str) -> list[str]:
    """The lines of an ini key: of native TOML a list of strings, or one string."""
    value = ini_value(config, name)
    lines = value.split("\n") if isinstance(value, str) else value
    if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
        raise pytest.UsageError(f"{name} = {value!r}: must be a list of strings")
    return [line.strip() for line in lines if line.strip()]


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise pytest.UsageError(f"{name} = {value!r}: allowed are {', '.join(allowed)}")
