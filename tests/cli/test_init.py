"""`batcheval init`: a suite that works, beside whatever is there."""

import json
import os
import re
import resource
import subprocess
import sys
import textwrap
from importlib.resources import files
from pathlib import Path

import jsonschema_rs
import pytest
import yaml
from pipelines import valid

from pytest_batcheval.cli import main
from pytest_batcheval.cli.init import NEXT, OWN, PIPELINES, SUITE

RECORDING = "cassettes/answers/tests/evaluation/test_interview.jsonl"
WORKFLOW, GITLAB = PIPELINES["github"], PIPELINES["gitlab"]
ALL = {*SUITE, WORKFLOW, "pytest.ini", ".gitignore", ".gitattributes"}


@pytest.fixture
def folder(empty_folder):
    return empty_folder


def written(folder):
    """Every file below a folder, by its name from there."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def advice(out, path):
    """The lines that the user is told to add to a file."""
    (found,) = re.findall(rf"^kept {re.escape(path)}; add to [^\n]*:\n((?:    .*\n)+)", out, re.MULTILINE)
    return [line.removeprefix("    ") for line in found.splitlines()]


def test_the_suite_passes_offline_at_once(pytester, folder):
    assert main(["init"]) == 0
    result = pytester.runpytest_inprocess("-m", "batch")
    result.assert_outcomes(passed=41)
    result.stdout.fnmatch_lines("batch: 40 answers recorded from the simulator (faithful@0)")


@pytest.mark.sampled
def test_its_recording_is_what_the_simulator_answers_byte_for_byte(pytester, folder):
    main(["init"])
    recorded = (folder / RECORDING).read_bytes()
    (folder / RECORDING).unlink()
    result = pytester.runpytest_inprocess("-m", "batch", "--batch=record", "--batch-backend=simulator")
    result.assert_outcomes(passed=41)
    assert (folder / RECORDING).read_bytes() == recorded


def test_every_recorded_line_says_that_a_simulator_answered(folder):
    main(["init"])
    lines = [json.loads(line) for line in (folder / RECORDING).read_text(encoding="utf-8").splitlines()]
    assert [line["origin"] for line in lines] == ["simulator:faithful@0"] * 40


@pytest.mark.sampled
def test_a_patient_less_in_the_prompt_is_noticed(pytester, folder):
    main(["init"])
    prompts = folder / "tests/evaluation/interview.py"
    text = prompts.read_text(encoding="utf-8")
    prompts.write_text(text.replace('성격: {persona}"""', '성격: """'), encoding="utf-8")
    result = pytester.runpytest_inprocess("-m", "batch", "--batch=record", "--batch-backend=simulator")
    result.assert_outcomes(passed=40, failed=1)
    result.stdout.fnmatch_lines("*collapsed: first samples of 32 cells")


def test_the_whole_is_written_and_the_next_commands_are_named(folder, capsys):
    assert main(["init"]) == 0
    out = capsys.readouterr().out
    assert written(folder).keys() == ALL
    assert set(re.findall(r"^wrote (.*)$", out, re.MULTILINE)) == ALL
    assert re.findall(r"^  (pytest .*)$", out, re.MULTILINE) == [command for command, _ in NEXT]


def test_every_template_is_written():
    templates = files("pytest_batcheval.cli").joinpath("init_files").iterdir()
    named = {f"{name.rpartition('/')[2].removeprefix('.')}.template" for name in {*ALL, GITLAB, *OWN.values()}}
    assert {template.name for template in templates} == named


def test_a_second_time_there_is_nothing_to_do(folder, capsys):
    main(["init"])
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    capsys.readouterr()
    assert main(["init"]) == 0
    out = capsys.readouterr().out
    assert "nothing to do" in out
    assert "wrote" not in out
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


@pytest.mark.parametrize("name", sorted(ALL))
@pytest.mark.parametrize("content", [b"", b"# mine\n", b"\xff\xfe\x00not text"], ids=["empty", "text", "bytes"])
def test_no_file_is_ever_overwritten(folder, capsys, name, content):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    assert main(["init"]) == 0
    assert path.read_bytes() == content
    assert written(folder).keys() == ALL
    assert f"kept {name}" in capsys.readouterr().out


def test_a_link_to_nowhere_is_kept_too(folder, capsys):
    (folder / ".gitignore").symlink_to("nowhere")
    (folder / "tests").mkdir()
    (folder / "fixtures").mkdir()
    (folder / "fixtures/personas.yaml").symlink_to("nowhere")
    assert main(["init"]) == 4
    assert re.search(r"cannot read \S*\.gitignore", capsys.readouterr().err)
    (folder / ".gitignore").unlink()
    assert main(["init"]) == 0
    assert "kept fixtures/personas.yaml" in capsys.readouterr().out
    assert not (folder / "fixtures/personas.yaml").exists()


def test_dry_run_lists_what_would_be_written_and_writes_nothing(folder, capsys):
    (folder / "pyproject.toml").write_text("[project]\n")
    before = written(folder)
    assert main(["init", "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert written(folder) == before
    would = set(re.findall(r"^would write (.*)$", out, re.MULTILINE))
    assert main(["init"]) == 0
    again = capsys.readouterr().out
    assert set(re.findall(r"^wrote (.*)$", again, re.MULTILINE)) == would == ALL - {"pytest.ini"}
    assert advice(out, "pyproject.toml") == advice(again, "pyproject.toml")


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    ("name", "text", "section"),
    [
        ("pyproject.toml", "[project]\nname = 'x'\nversion = '1'\n", None),
        ("pyproject.toml", "[tool.pytest.ini_options]\naddopts = '--import-mode=importlib'\n", "ini_options]:"),
        ("pytest.ini", "[pytest]\naddopts = --import-mode=importlib --strict-markers --strict-config\n", "[pytest]:"),
        ("pytest.ini", "", None),
        ("tox.ini", "[tox]\nenv_list = py\n[pytest]\naddopts = -q\n", "[pytest]:"),
        ("setup.cfg", "[metadata]\nname = x\n[tool:pytest]\naddopts = -q\n", "[tool:pytest]:"),
    ],
)
def test_what_is_to_be_added_to_pytests_configuration_is_enough(pytester, folder, capsys, name, text, section):
    (folder / name).write_text(text)
    assert main(["init"]) == 0
    assert (folder / name).read_text() == text
    out = capsys.readouterr().out
    (said,) = re.findall(rf"^kept {name}; add to (.*)$", out, re.MULTILINE)
    assert said.endswith(section or "it:")
    (folder / name).write_text(text + "\n".join(advice(out, name)) + "\n")
    pytester.runpytest_inprocess("-m", "batch").assert_outcomes(passed=41)
    assert main(["init"]) == 0
    assert "nothing to do" in capsys.readouterr().out


def test_the_file_that_pytest_would_read_is_named(folder, capsys):
    (folder / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    (folder / "tox.ini").write_text("[pytest]\n")
    main(["init"])
    assert "kept tox.ini; add to its section [pytest]:\n" in capsys.readouterr().out
    assert not (folder / "pytest.ini").exists()


@pytest.mark.parametrize(("line", "lacking"), [(".batcheval", False), ("/.batcheval/", False), ("build/", True)])
def test_what_gitignore_lacks_is_named(folder, capsys, line, lacking):
    (folder / ".gitignore").write_text(f"*.egg-info\n{line}\n")
    main(["init"])
    out = capsys.readouterr().out
    assert ("kept .gitignore" in out) == lacking
    assert not lacking or advice(out, ".gitignore") == [".batcheval/"]


ATTRIBUTES = ["/cassettes/** -text", "/fixtures/** text=auto eol=lf"]


@pytest.mark.parametrize(
    ("lines", "lacking"),
    [
        ("*.bin binary", ATTRIBUTES),
        ("/cassettes/**   -text", ATTRIBUTES[1:]),
        ("\n".join(ATTRIBUTES), []),
        ("* text=auto  eol=lf", []),
    ],
)
def test_what_gitattributes_lacks_is_named(folder, capsys, lines, lacking):
    (folder / ".gitattributes").write_text(f"{lines}\n")
    main(["init"])
    out = capsys.readouterr().out
    assert ("kept .gitattributes" in out) == bool(lacking)
    assert not lacking or advice(out, ".gitattributes") == lacking


def checked_out(folder, beside):
    """A clone of the folder on a machine where git writes CRLF."""
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@x.test", "-c", "core.autocrlf=true"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "all"], ["clone", "-q", ".", str(beside)]):
        subprocess.run([*git, *command], cwd=folder, check=True, capture_output=True)


def test_a_checkout_with_other_line_ends_has_the_same_recordings_and_axes(folder, tmp_path_factory):
    main(["init"])
    beside = tmp_path_factory.mktemp("clone")
    checked_out(folder, beside)
    assert b"\r\n" in (beside / "tests/evaluation/interview.py").read_bytes()
    for name in SUITE:
        if not name.endswith(".py"):
            assert (beside / name).read_bytes() == (folder / name).read_bytes()


def test_a_checkout_with_other_line_ends_only_replays_too(pytester, folder, tmp_path_factory, monkeypatch, capsys):
    main(["init"])
    (folder / ".gitattributes").unlink()
    beside = tmp_path_factory.mktemp("clone")
    checked_out(folder, beside)
    assert b"\r\n" in (beside / RECORDING).read_bytes()
    monkeypatch.chdir(beside)
    pytester.runpytest_inprocess("-m", "batch", f"--rootdir={beside}").assert_outcomes(passed=41)
    capsys.readouterr()
    assert main(["init"]) == 0
    assert "differs" not in capsys.readouterr().out


def test_another_folder_is_made_and_named_in_the_next_step(pytester, folder, capsys):
    assert main(["init", "deep/my evaluation"]) == 0
    out = capsys.readouterr().out
    assert "wrote deep/my evaluation/pytest.ini" in out
    assert "next, after cd 'deep/my evaluation':" in out
    assert written(folder / "deep/my evaluation").keys() == ALL


@pytest.mark.parametrize("ci", PIPELINES)
def test_a_pipeline_is_what_its_makers_take(folder, ci):
    assert main(["init", "--ci", ci]) == 0
    assert written(folder).keys() == ALL - {WORKFLOW} | {PIPELINES[ci]}
    text = (folder / PIPELINES[ci]).read_text(encoding="utf-8")
    valid(text, ci)
    with pytest.raises(jsonschema_rs.ValidationError):
        valid(text.replace("  cache:", "  cash:").replace("runs-on:", "runs_on:"), ci)


def commands(pipeline):
    """By job the commands of a pipeline that run pytest, and whether the job has a key."""
    for name, job in pipeline.get("jobs", pipeline).items():
        lines = [step["run"] for step in job.get("steps", []) if "run" in step] + job.get("script", [])
        for line in lines:
            if line.startswith("pytest"):
                yield name, line, "secrets" in json.dumps(job)


@pytest.mark.parametrize("ci", PIPELINES)
def test_a_pipeline_replays_unless_somebody_starts_it(folder, ci):
    main(["init", "--ci", ci])
    (replay, send) = commands(yaml.load((folder / PIPELINES[ci]).read_text(), yaml.BaseLoader))
    assert replay[0] == "replay"
    assert replay[1].startswith("pytest -m batch ")
    assert "--batch=" not in replay[1]
    assert not replay[2]
    assert send[0] == "send"
    assert send[1].startswith("pytest -m batch --batch=record --batch-wait=30m ")
    assert send[2] == (ci == "github"), "GitLab's variables need no line"


@pytest.mark.sampled
@pytest.mark.parametrize("ci", PIPELINES)
def test_the_commands_of_a_pipeline_run(folder, ci, tmp_path):
    main(["init", "--ci", ci])
    pipeline = yaml.load((folder / PIPELINES[ci]).read_text(), yaml.BaseLoader)
    pages = pipeline[".evaluation"]["variables"]["PAGES"] if ci == "gitlab" else ""
    variables = {"GITHUB_WORKSPACE": str(tmp_path), "CI_PROJECT_DIR": str(tmp_path), "PYTHON": sys.executable}
    variables["PAGES"] = pages.replace("$CI_PROJECT_DIR", str(tmp_path))
    python = 'pytest() { "$PYTHON" -m pytest --batch-backend=simulator "$@"; }\n'
    for job, command, _ in commands(pipeline):
        done = subprocess.run(
            ["bash", "-ec", python + command], cwd=folder, env=os.environ | variables, check=False, capture_output=True
        )
        assert done.returncode == 0, (job, done.stdout, done.stderr)
        assert {"junit.xml", "report.html"} <= {path.name for path in tmp_path.iterdir()}
        for name in ("junit.xml", "report.html"):
            (tmp_path / name).unlink()
    assert "None of 41 tests failed" in (tmp_path / "comment.md").read_text()


@pytest.mark.parametrize("ci", PIPELINES)
def test_a_pipeline_belongs_into_the_repository_around_the_folder(folder, capsys, monkeypatch, ci):
    (folder / ".git").mkdir()
    assert main(["init", "evaluations/mood", "--ci", ci]) == 0
    assert written(folder / "evaluations/mood").keys() == ALL - {WORKFLOW}
    out, path = capsys.readouterr().out, folder / PIPELINES[ci]
    (lines,) = re.findall(
        rf"^not written: {re.escape(str(path))}, .*; add it yourself:\n((?:(?:    .*)?\n)+)^next", out, re.MULTILINE
    )
    text = textwrap.dedent(lines).rstrip("\n") + "\n"
    assert '\n  FOLDER: "evaluations/mood"\n' in text.replace("    FOLDER", "  FOLDER")
    valid(text, ci)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("# others\n" + text)
    monkeypatch.chdir(folder / "evaluations")
    assert main(["init", "mood", "--ci", ci]) == 0
    assert "nothing to do" in capsys.readouterr().out


def test_beside_an_evaluation_of_ones_own_the_pipeline_is_written_alone(folder, capsys):
    (folder / "pyproject.toml").write_text('[tool.pytest.ini_options]\nbatch_axes = ["persona=people.csv"]\n')
    assert main(["init", "--ci", "gitlab"]) == 0
    assert written(folder).keys() == {"pyproject.toml", GITLAB}
    assert capsys.readouterr().out == f"wrote {GITLAB}\n"
    assert main(["init", "--ci", "gitlab"]) == 0
    assert "nothing to do" in capsys.readouterr().out
    (folder / "pyproject.toml").write_text("[tool.pytest.ini_options]\n")
    assert main(["init", "--ci", "gitlab"]) == 0
    assert written(folder).keys() == ALL - {WORKFLOW, "pytest.ini"} | {GITLAB, "pyproject.toml"}


def test_what_gitlabs_file_lacks_is_printed(folder, capsys):
    main(["init", "new", "--ci", "gitlab"])
    text = (folder / "new" / GITLAB).read_text()
    capsys.readouterr()
    (folder / GITLAB).write_text("build: {script: make}\n")
    assert main(["init", "--ci", "gitlab"]) == 0
    assert (folder / GITLAB).read_text() == "build: {script: make}\n"
    assert textwrap.indent(text, "    ") in capsys.readouterr().out
    (folder / GITLAB).write_text("build: {script: make}\n" + text)
    assert main(["init", "--ci", "gitlab"]) == 0
    assert "nothing to do" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["tests", "tests/evaluation", ".github", "cassettes/answers"])
def test_a_link_out_of_the_folder_is_refused_before_anything_is_written(folder, capsys, tmp_path_factory, name):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).symlink_to(elsewhere, target_is_directory=True)
    assert main(["init"]) == 4
    assert f"{name} leads out of" in capsys.readouterr().err
    assert written(folder) == written(elsewhere) == {}


def test_a_link_inside_the_folder_is_followed(folder):
    (folder / "data").mkdir()
    (folder / "fixtures").symlink_to("data")
    assert main(["init"]) == 0
    assert (folder / "data/personas.yaml").exists()


@pytest.mark.parametrize("name", ["tests", "tests/evaluation", ".github", "fixtures"])
def test_a_file_where_a_folder_must_be_is_refused_before_anything_is_written(folder, capsys, name):
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("a file")
    assert main(["init"]) == 4
    assert f"{name} is not a folder" in capsys.readouterr().err
    assert written(folder) == {name: b"a file"}


def test_the_folder_itself_may_not_be_a_file(folder, capsys):
    (folder / "mine").write_text("a file")
    assert main(["init", "mine"]) == 4
    assert "mine is not a folder" in capsys.readouterr().err


def test_a_folder_that_cannot_be_made_is_an_error_of_ours(folder, capsys):
    assert main(["init", "/proc/nothing/here"]) == 4
    assert "batcheval init: cannot write /proc/nothing" in capsys.readouterr().err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_is_closed_to_us_is_refused_before_anything_is_written(folder, capsys):
    (folder / "mine").mkdir(mode=0o500)
    assert main(["init", "mine"]) == 4
    assert "is not writable; nothing was written" in capsys.readouterr().err


def test_a_full_disk_leaves_no_half_file_and_the_same_command_goes_on(folder):
    main(["init", "whole"])
    longest = len((folder / "whole" / RECORDING).read_bytes())
    ended = subprocess.run(
        [sys.executable, "-m", "pytest_batcheval.cli", "init", "mine"],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (longest - 1, longest - 1)),
    )
    assert ended.returncode == 4
    assert f"cannot write mine/{RECORDING}" in ended.stderr
    there = written(folder / "mine")
    assert {f"wrote mine/{name}" for name in there} == set(ended.stdout.splitlines())
    assert RECORDING not in there
    assert main(["init", "mine"]) == 0
    assert written(folder / "mine") == written(folder / "whole")


def test_own_suite_does_not_collect_the_templates():
    names = [path.name for path in Path(str(files("pytest_batcheval.cli"))).rglob("*") if path.suffix == ".py"]
    assert not [name for name in names if name.startswith("test_")]
