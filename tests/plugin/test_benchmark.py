"""`batch_benchmark`: what makes a comparison with a baseline red, and what does not."""

import json

import pytest

FILE = """
    import pytest
    from pytest_batcheval import Request

    REQUESTS = [Request({"model": "gpt-6-luna", "messages": [{"role": "user", "content": str(n)}]}) for n in range(60)]

    @pytest.mark.parametrize("size", [20, 60])
    def test_job(batch_benchmark, size):
        run = batch_benchmark(lambda client: client.run(REQUESTS, batch_size=size), rounds=2)
        assert len(run.answers) == 60
"""
COMPARE = ("--benchmark-only", "--benchmark-compare=baseline.json", "--benchmark-compare-fail=mean:1%")


MADE = []
"""The baseline that this code makes, once it was made."""


@pytest.fixture
def bench(pytester, monkeypatch):
    """Run the benchmarks with a baseline made by this code: `bench("conftest's text")`."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    for name in ("OPENAI_API_KEY", "PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT"):
        monkeypatch.delenv(name, raising=False)
    pytester.makeini("[pytest]\naddopts = -p pytest_batcheval.plugin -p pytest_benchmark.plugin")
    pytester.makepyfile(test_job=FILE)
    baseline = pytester.path / "baseline.json"
    if MADE:
        baseline.write_bytes(MADE[0])
    else:
        made = pytester.runpytest_subprocess("--benchmark-only", "--benchmark-json=baseline.json")
        made.assert_outcomes(passed=2)
        MADE.append(baseline.read_bytes())

    def run(conftest="", *args):
        pytester.makeconftest(conftest)
        return pytester.runpytest_subprocess(*(args or COMPARE))

    return run


@pytest.mark.sampled
def test_the_same_code_is_exactly_as_fast(bench, pytester):
    result = bench()
    result.assert_outcomes(passed=2)
    assert result.ret == 0
    saved = json.loads((pytester.path / "baseline.json").read_text())["benchmarks"]
    assert [found["extra_info"]["uploads"] for found in saved] == [3, 1]
    for found in saved:
        assert found["stats"]["stddev"] == 0
        assert found["extra_info"].keys() >= {"calls", "polls", "bytes", "requests", "input_tokens", "usd"}


@pytest.mark.sampled
def test_a_doubled_poll_interval_turns_it_red(bench):
    result = bench("import pytest_batcheval.engine.polling as p\np.LEAST *= 2; p.SHARE *= 2")
    assert result.ret != 0
    result.stdout.fnmatch_lines(["*is not as in the baseline: *polls: * instead of *"])


@pytest.mark.sampled
def test_a_schedule_that_is_slower_turns_it_red(bench):
    """By two per cent of the time, with as many calls."""
    result = bench("""
        import pytest_batcheval.plugin.benchmark as b
        usual = b.Latencies
        b.Latencies = lambda: usual(upload=5.0)
    """)
    assert result.ret != 0
    result.stderr.fnmatch_lines(["*Performance has regressed*"])


@pytest.mark.sampled
def test_a_second_upload_of_each_file_turns_it_red(bench):
    result = bench("""
        from pytest_batcheval.backends.openai_batch import OpenAIBatch
        usual = OpenAIBatch.upload
        def twice(self, path, filename):
            usual(self, path, filename)
            return usual(self, path, filename)
        OpenAIBatch.upload = twice
    """)
    assert result.ret != 0
    result.stdout.fnmatch_lines(["*is not as in the baseline:*uploads: 6 instead of 3*bytes:*"])


@pytest.mark.sampled
def test_a_benchmark_that_is_not_in_the_baseline_is_new(bench, pytester):
    pytester.makepyfile(test_new=FILE.replace("test_job", "test_other"))
    assert bench().ret == 0


@pytest.mark.sampled
def test_under_n_it_says_why_it_does_not_run(bench):
    result = bench("", "-p", "xdist", "-n", "1", "-rs", "-W", "error", "-W", "ignore:Benchmarks are automatically")
    result.assert_outcomes(skipped=2)
    result.stdout.fnmatch_lines(["*benchmarks do not run under -n*"])
