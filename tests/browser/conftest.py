"""One browser for the tests of a session, and reports for it to open."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from chromium import BROWSER, DRIVER, Chromium


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    """A browser without a window; skipped where none is installed."""
    pytest.importorskip("selenium", reason="no driver: pip install 'pytest-batcheval[browser]'")
    if BROWSER is None or DRIVER is None:
        pytest.skip("no browser: apt-get install chromium chromium-driver fonts-noto-cjk")
    browser = Chromium(tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


@pytest.fixture
def quiet(chromium: Chromium) -> Iterator[None]:
    """Whatever a test does, its page logs nothing and asks no host for anything."""
    yield
    assert chromium.console() == []
    assert chromium.hosts() == []


@pytest.fixture(scope="session")
def axe() -> str:
    """The script of axe-core, from an installed package."""
    package = pytest.importorskip(
        "axe_playwright_python", reason="no axe-core: pip install 'pytest-batcheval[browser]'"
    )
    return (Path(package.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
