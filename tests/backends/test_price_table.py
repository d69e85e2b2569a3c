"""Rates that were found before: as right as the table, without importing it, and gone when the table changes."""

import json
import os
import subprocess
import sys
from decimal import Decimal

import pytest

from pytest_batcheval.backends.price_table import MOST, KeptRates, rates

ASK = """
import json, sys
from pytest_batcheval.backends.price_table import rates
found = [rates(model, batch) for model in sys.argv[1:] for batch in (False, True)]
print(json.dumps([[one and [str(part) for part in one] for one in found], "genai_prices" in sys.modules]))
"""

TABLE = """
from types import SimpleNamespace as Space
Usage = Space
def calc_price(usage, model_ref, provider_id, price_context):
    if provider_id: raise LookupError
    parts = [Space(constraint=Space(**time)) for time in {times}]
    return Space(total_price={price}, model=Space(prices=parts))
"""


@pytest.fixture
def ask(tmp_path):
    """The rates of models in a new process, each as a call and in a batch, and whether it imported the table."""

    def run(*models, **changed):
        fixed = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "PYTHONDONTWRITEBYTECODE": "1"}  # two tables in one second
        environment = {**os.environ, **fixed, **changed}
        command = [sys.executable, "-c", ASK, *models]
        return json.loads(subprocess.run(command, env=environment, capture_output=True, check=True).stdout)

    return run


def table(folder, price, times=()):
    """The path of modules with a price table of one price before the others."""
    (folder / "lib" / "genai_prices").mkdir(parents=True, exist_ok=True)
    (folder / "lib" / "genai_prices" / "__init__.py").write_text(TABLE.format(price=price, times=list(times)))
    return os.pathsep.join([str(folder / "lib"), *filter(None, [os.environ.get("PYTHONPATH", "")])])


@pytest.mark.sampled
def test_a_second_process_has_the_same_rates_without_the_table(ask):
    models = ["gpt-6-luna", "text-embedding-3-small", "nobody-knows-this-model"]
    first, imported = ask(*models)
    assert imported
    wanted = [rates(model, batch) for model in models for batch in (False, True)]
    assert [one and tuple(map(Decimal, one)) for one in first] == wanted
    assert ask(*models) == [first, False]
    assert ask(*models, "gpt-6.1-terra") != [first, False], "another model is looked up"


def test_a_table_that_changes_is_asked_again(ask, tmp_path):
    path = table(tmp_path, price=1)
    assert ask("m", PYTHONPATH=path) == [[["0.001", "0.001"]] * 2, True]
    assert ask("m", PYTHONPATH=path) == [[["0.001", "0.001"]] * 2, False]
    table(tmp_path, price=2)
    assert ask("m", PYTHONPATH=path) == [[["0.002", "0.002"]] * 2, True]


@pytest.mark.parametrize(
    ("times", "kept"),
    [
        ([{"start_date": "2025-01-01"}], True),
        ([{"start_date": "2025-01-01"}, {"start_date": "2999-01-01"}], False),
        ([{"start_time": "01:00", "end_time": "04:00"}], False),
    ],
)
def test_a_price_that_changes_with_time_is_not_kept(ask, tmp_path, times, kept):
    path = table(tmp_path, 1, times)
    ask("m", PYTHONPATH=path)
    assert ask("m", PYTHONPATH=path)[1] is not kept


def test_a_folder_that_cannot_be_written_and_a_file_of_rubbish_do_no_harm(ask, tmp_path):
    path = table(tmp_path, price=1)
    (tmp_path / "cache").write_text("no folder")
    assert ask("m", PYTHONPATH=path) == [[["0.001", "0.001"]] * 2, True]
    for text in ("", "[]", '{"table": "t"}', '{"table": "t", "rates": {"call m": ["x", "1"]}}', "[" * 100_000):
        (tmp_path / "prices.json").write_text(text)
        kept = KeptRates(tmp_path / "prices.json", "t")
        assert kept.rates == {}
        kept.add("call m", (Decimal(1), Decimal("2.5E-7")))
        assert KeptRates(tmp_path / "prices.json", "t").rates == kept.rates


def test_the_file_is_bounded(tmp_path):
    kept = KeptRates(tmp_path / "prices.json", "t")
    kept.rates = {str(number): None for number in range(MOST)}
    kept.add("one more", None)
    assert kept.rates == {"one more": None}
