"""freezegun, pytest-freezer, pytest-freezegun, time-machine, mock: tests that stop, shift or patch the time."""

import pytest

CLIENT = """
    from pytest_batcheval.wire.objects import Request

    REQUESTS = [Request({{"model": "m", "messages": [{{"role": "user", "content": f"질문 {{n}}"}}]}}) for n in range(2)]

    {header}

    @pytest.mark.batch
    def test_client(batch_client{fixture}):
        {patch}
        answers = batch_client.run(REQUESTS).answers
        assert [answer.error for answer in answers] == [None, None]

    @pytest.mark.batch(prompt=ask, persona="kim", question="sleep")
    def test_answer(answer{fixture}):
        {patch}
        assert answer.text

    def test_server(batch_server{fixture}):
        {patch}
        import openai

        with openai.OpenAI(base_url=batch_server.base_url, api_key="k", max_retries=0) as client:
            assert client.files.list().data == []
"""
RECORD = ("--batch=record", "--batch-backend=simulator")


MARK = 'pytestmark = pytest.mark.{}("2020-01-01"{})'
START = "import freezegun; freezegun.freeze_time('2020-01-01'{}).start()"
WAYS = {
    "freezer": ("freezer", {"fixture": ", freezer"}),
    "freezer-mark": ("freezer", {"header": MARK.format("freeze_time", "")}),
    "freezegun": ("freezegun", {"fixture": ", freezer"}),
    "freezegun-mark": ("freezegun", {"header": MARK.format("freeze_time", "")}),
    "import": ("freezer", {"header": START.format("")}),
    "import-tick": ("freezer", {"header": START.format(", tick=True")}),
    "time-machine": (
        "time-machine",
        {"fixture": ", time_machine", "patch": 'time_machine.move_to("2020-01-01", tick=False)'},
    ),
    "time-machine-mark": ("time-machine", {"header": MARK.format("time_machine", ", tick=False")}),
    "time-machine-far": ("time-machine", {"fixture": ", time_machine", "patch": 'time_machine.move_to("2090-01-01")'}),
    "monotonic": ("mock", {"fixture": ", mocker", "patch": 'mocker.patch("time.monotonic", return_value=5.0)'}),
    "time": ("mock", {"fixture": ", mocker", "patch": 'mocker.patch("time.time", return_value=5.0)'}),
    "no-sleep": ("mock", {"fixture": ", mocker", "patch": 'mocker.patch("time.sleep", side_effect=AssertionError)'}),
    "fast-sleep": ("mock", {"fixture": ", mocker", "patch": 'mocker.patch("time.sleep")'}),
}
"""By name: the plugin that is wanted, and what the tests of `CLIENT` do with the clock."""


def source(header="", fixture="", patch="pass"):
    return CLIENT.format(header=header, fixture=fixture, patch=patch)


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param(parts, id=way, marks=pytest.mark.neighbours(plugin, "timeout"))
        for way, (plugin, parts) in WAYS.items()
    ],
)
def test_a_clock_that_a_test_patches_neither_hangs_nor_fails_us(repository, parts):
    repository.test_file(source(**parts))
    repository.run(*RECORD, "--timeout=10", limit=40).assert_outcomes(passed=3)
    replayed = repository.run("--timeout=10", "-W", "error::pytest.PytestWarning", limit=40)
    replayed.assert_outcomes(passed=3)


@pytest.mark.neighbours("freezer")
def test_frozen_days_are_no_days_of_answers(repository, batch_server, sent):
    repository.test_file("""
        @pytest.mark.freeze_time("2020-01-01")
        @pytest.mark.batch(prompt=ask)
        def test_one(persona, question, answer):
            assert answer.text
    """)
    done = repository.send(batch_server, mode="record")
    done.assert_outcomes(passed=6)
    assert sent() == [1] * 6
    assert "not asked today" not in done.stdout
    assert "2020" not in done.stdout
    repository.send(batch_server).assert_outcomes(passed=6)
    assert sent() == [1] * 6


@pytest.mark.neighbours("xdist", "freezer")
def test_a_frozen_clock_in_workers_replays(repository):
    repository.test_file("""
        @pytest.fixture(autouse=True, scope="session")
        def frozen():
            import freezegun

            with freezegun.freeze_time("2020-01-01"):
                yield

        @pytest.mark.batch(prompt=ask)
        def test_one(persona, question, answer):
            assert answer.text
    """)
    repository.record(skip=["park/work"])
    done = repository.run("-n2")
    done.assert_outcomes(passed=5, unrecorded=1)
    assert "1 test could not run: 1 request without a recorded answer" in done.stdout


@pytest.mark.chosen
@pytest.mark.neighbours("freezer")
def test_a_clock_that_stands_still_from_the_import_on_lets_a_run_send(repository, batch_server, sent):
    repository.test_file("""
        import freezegun

        freezegun.freeze_time("2020-01-01").start()

        @pytest.mark.batch(prompt=ask)
        def test_one(persona, question, answer):
            assert answer.text
    """)
    repository.send(batch_server, limit=40).assert_outcomes(passed=6)
    assert sent() == [1] * 6
