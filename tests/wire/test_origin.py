import pytest

from pytest_batcheval.wire.origin import describe, is_simulator, provider_origin, simulator_origin


@pytest.mark.parametrize(
    ("base_url", "origin"),
    [
        ("https://api.openai.com/v1", "https://api.openai.com/v1"),
        ("HTTPS://API.OpenAI.com:443/v1/", "https://api.openai.com/v1"),
        ("http://user:secret@localhost:8000/V1", "http://localhost:8000/v1"),
        ("http://localhost:80/v1", "http://localhost/v1"),
    ],
)
def test_origin_is_scheme_host_port_and_path_in_lower_case(base_url, origin):
    assert provider_origin(base_url) == origin


def test_a_simulator_is_told_from_a_provider():
    origin = simulator_origin("blind", 3)
    assert is_simulator(origin)
    assert not is_simulator(provider_origin("http://127.0.0.1:9/v1"))
    assert describe(origin) == "the simulator (blind@3)"
