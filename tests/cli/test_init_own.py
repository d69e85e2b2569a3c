"""`batcheval init` around tables of one's own."""

import shutil
from itertools import takewhile

import pytest
import python_calamine  # noqa: F401
from exports import HEAD, ROWS, write

import pytest_batcheval.matrix.csv_file
import pytest_batcheval.matrix.xlsx_file  # noqa: F401  (imported here once: pytester forgets what an inner run imported)
from pytest_batcheval.cli import main
from pytest_batcheval.cli.init import PIPELINES, SUITE

QUESTIONS = [("질문",), ("요즘 잠은 어떠세요?",), ("가족과는 어떻게 지내세요?",)]
BARE = [("이름", "설명"), ("김", "차분한 사람"), ("이", "급한 사람")]
ENGLISH = [("No", "Description", "NS"), ("1", "a calm person", "63"), ("2", "a hasty person", "40")]
FILES = {*SUITE[:-1], PIPELINES["github"], "pytest.ini", ".gitignore", ".gitattributes"}


@pytest.fixture
def folder(empty_folder):
    return empty_folder


def written(folder):
    """Every file below a folder, by its name from there."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def tables(folder, personas="book.xlsx", questions="utf-8.csv", rows=(HEAD, *ROWS)):
    write(personas, folder, rows).rename(folder / f"our people.{personas.rpartition('.')[2]}")
    write(questions, folder, QUESTIONS).rename(folder / f"questions.{questions.rpartition('.')[2]}")
    return sorted(path.name for path in folder.iterdir())


def record_and_replay(pytester, tests):
    planned = pytester.runpytest_inprocess("--batch=plan")
    assert planned.ret == 0
    planned.stdout.fnmatch_lines(["1 batch to send:"])
    pytester.runpytest_inprocess("--batch=record", "--batch-backend=simulator").assert_outcomes(passed=tests)
    shutil.rmtree(pytester.path / ".batcheval")
    pytester.runpytest_inprocess().assert_outcomes(passed=tests)


def test_it_runs_around_two_tables(pytester, folder, capsys):
    data = tables(folder, rows=BARE)
    assert main(["init", "--personas", "our people.xlsx", "--questions", "questions.csv"]) == 0
    out = capsys.readouterr().out
    assert "reads our people.xlsx in place: 2 personas\nreads questions.csv in place: 2 questions\n" in out
    assert written(folder).keys() == (FILES - {*SUITE[:2]}) | {*data}
    assert "    persona=our people.xlsx\n    question=questions.csv\n" in (folder / "pytest.ini").read_text()
    assert "[quality,report,sheets]" in (folder / ".github/workflows/evaluation.yml").read_text()
    assert "한국어로" in (folder / "tests/evaluation/interview.py").read_text(encoding="utf-8")
    assert not [name for name, text in written(folder).items() if name not in data and "차분한".encode() in text]
    record_and_replay(pytester, 2 * 2 + 1)


@pytest.mark.sampled
@pytest.mark.parametrize("name", ["korean-excel.csv", "book.xlsx", "records.json"])
def test_it_runs_around_40_patients_with_profiles(pytester, folder, name):
    write(name, folder, [HEAD, *ROWS])
    assert main(["init", "--personas", name]) == 0
    record_and_replay(pytester, 40 * 4 + 1)
    assert written(folder).keys() >= FILES - {SUITE[0]}


@pytest.mark.sampled
def test_it_runs_around_questions_alone(pytester, folder):
    tables(folder)
    assert main(["init", "--questions", "questions.csv"]) == 0
    record_and_replay(pytester, 8 * 2 + 1)
    assert 'persona.describe("ko", "short")' in (folder / "tests/evaluation/interview.py").read_text(encoding="utf-8")


@pytest.mark.sampled
def test_scores_need_a_line_and_get_it(pytester, folder, capsys):
    write("utf-8.csv", folder, ENGLISH)
    assert main(["init", "--personas", "utf-8.csv"]) == 4
    assert written(folder).keys() == {"utf-8.csv"}
    error = capsys.readouterr().err
    assert "utf-8.csv, row 2, column NS: '63' is a score" in error
    assert "for init, give that line as --factors 'NS = 45 55'" in error
    assert main(["init", "--personas", "utf-8.csv", "--factors", "NS HA = 45 55"]) == 0
    assert "\nbatch_factors =\n    NS HA = 45 55\n" in (folder / "pytest.ini").read_text()
    assert "English" not in (folder / "tests/evaluation/interview.py").read_text()
    (folder / "test_levels.py").write_text(
        "def test_levels(persona): assert persona.levels == {'NS': 1 if persona.id == '1' else -1}"
    )
    pytester.runpytest_inprocess("test_levels.py").assert_outcomes(passed=2)
    record_and_replay(pytester, 2 * 4 + 1 + 2)


def test_a_table_elsewhere_is_named_from_the_folder(folder, capsys):
    write("book.xlsx", folder, BARE)
    assert main(["init", "mine", "--personas", "book.xlsx#환자"]) == 0
    assert "    persona=../book.xlsx#환자\n" in (folder / "mine/pytest.ini").read_text(encoding="utf-8")
    assert "outside of mine, so that a checkout of it does not have it: book.xlsx#환자" in capsys.readouterr().out
    assert not list((folder / "mine").rglob("*.xlsx"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--personas", "none.csv"], "none.csv: the axis file cannot be read"),
        (["--questions", "utf-8.csv"], "utf-8.csv: nothing gives the text of each question"),
        (["--personas", "utf-8.csv", "--factors", "NS ="], "batch_factors: 'NS =' must end in two numbers"),
        (["--factors", "NS = 1 2"], "--factors says what is in a table: name it with --personas"),
    ],
)
def test_what_cannot_be_used_is_said_before_anything_is_written(folder, capsys, arguments, said):
    write("utf-8.csv", folder, BARE)
    assert main(["init", *arguments]) == 4
    assert said in capsys.readouterr().err
    assert written(folder).keys() == {"utf-8.csv"}


def test_what_is_to_be_added_to_a_configuration_is_enough(pytester, folder, capsys):
    write("utf-8.csv", folder, BARE).rename(folder / 'our "people".csv')
    (folder / "pyproject.toml").write_text("[tool.pytest.ini_options]\n")
    command = ["init", "--personas", 'our "people".csv', "--factors", "calm = 1 2"]
    assert main(command) == 0
    added = capsys.readouterr().out.partition("kept pyproject.toml; add to its section")[2]
    lines = takewhile(lambda line: line.startswith("    "), added.splitlines()[1:])
    (folder / "pyproject.toml").write_text("\n".join(["[tool.pytest.ini_options]", *lines]))
    collected = pytester.runpytest_inprocess("--collect-only", "-q").stdout
    collected.fnmatch_lines(["9 tests collected*"])
    assert main(command) == 0
    assert "nothing to do" in capsys.readouterr().out
