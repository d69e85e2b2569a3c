"""`batcheval init --axis`: an evaluation of items, models and samples, without personas."""

import pytest

from pytest_batcheval.cli import main


@pytest.fixture
def folder(empty_folder):
    (empty_folder / "items.csv").write_text("id,text\n" + "".join(f"i{n},Explain thing {n}.\n" for n in range(1, 9)))
    (empty_folder / "tones.csv").write_text("이름;말투 설명\n친절;친절하게\n짧게;짧게\n", encoding="cp949")
    return empty_folder


@pytest.mark.sampled
def test_items_models_and_samples_go_through(pytester, folder, capsys):
    models = ["--models", "gpt-6.1-terra, gpt-6-luna", "--samples", "3"]
    assert main(["init", "--axis", "item=items.csv", *models]) == 0
    assert "reads items.csv in place: 8 items" in capsys.readouterr().out
    pytester.runpytest_inprocess("--batch=plan").stdout.fnmatch_lines(["total * 16 * 48 * 48 *"])
    pytester.runpytest_inprocess("--batch=record", "--batch-backend=simulator").assert_outcomes(passed=16)
    pytester.runpytest_inprocess().assert_outcomes(passed=16)
    capsys.readouterr()
    assert main(["baseline", "save", "main"]) == 0
    assert main(["baseline", "compare", "main"]) == 0
    main(["compare", "gpt-6.1-terra", "gpt-6-luna"])
    assert "8 items" in capsys.readouterr().out
    assert main(["report", "--output", "report.html"]) == 0


@pytest.mark.sampled
def test_several_axes_with_names_of_any_script(pytester, folder):
    assert main(["init", "--axis", "item=items.csv", "--axis", "tone=tones.csv"]) == 0
    asked = (folder / "tests/evaluation/ask.py").read_text(encoding="utf-8")
    assert "def ask(item, tone, model):" in asked
    assert "item.text + \"\\n\\n\" + tone['말투 설명']" in asked
    pytester.runpytest_inprocess("--batch=record", "--batch-backend=simulator").assert_outcomes(passed=16)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--axis", "item=none.csv"], "none.csv"),
        (["--axis", "item"], "item"),
        (["--axis", "model=items.csv"], "--axis model: it becomes an argument of the prompt"),
        (["--axis", "a b=items.csv"], "a b"),
        (["--axis", "item=items.csv", "--samples", "0"], "--samples must be from 1 to 100, not 0"),
        (["--axis", "item=items.csv", "--personas", "items.csv"], "leave out --personas, --questions"),
        (["--models", "gpt-6-luna"], "--models and --samples go with --axis NAME=FILE"),
    ],
)
def test_what_cannot_be_written_is_said_and_nothing_is(folder, capsys, arguments, message):
    assert main(["init", *arguments]) == 4
    assert message in capsys.readouterr().err
    assert not (folder / "tests").exists()
