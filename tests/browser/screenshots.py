"""The pictures of a report in `docs/images`: `python tests/browser/screenshots.py` makes them anew.

The report is of the project's own scenarios, asked of a simulator whose patients sometimes refuse to answer.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from chromium import DESKTOP, PHONE, Chromium

ROOT = Path(__file__).parents[2]
IMAGES = ROOT / "docs" / "images"
RESPONDENT = "refuser-0.1"
TESTS = ("test_personas_differ.py", "test_traits.py::test_profile_shows", "test_full_matrix.py")
SETTINGS = """
[pytest]
pythonpath = tests/scenarios
batch_axes =
    persona=fixtures/personas.yaml
    question=fixtures/questions.yaml
"""


def main() -> None:
    """Write the report in a folder of its own, and the pictures of it."""
    IMAGES.mkdir(exist_ok=True)
    with TemporaryDirectory() as folder:
        url = make_report(Path(folder)).as_uri()
        browser = Chromium(Path(folder) / "profile")
        try:
            pictures(browser, url)
        finally:
            browser.close()


def make_report(folder: Path) -> Path:
    """A report of a run of the scenarios against the simulator."""
    shutil.copytree(ROOT / "tests" / "scenarios", folder / "tests" / "scenarios")
    shutil.copytree(ROOT / "fixtures", folder / "fixtures")
    (folder / "pytest.ini").write_text(SETTINGS, encoding="utf-8")
    tests = [f"tests/scenarios/{name}" for name in TESTS]
    options = ["-q", "--tb=no", "-p", "no:asyncio", "--batch=send", f"--batch-backend=simulator:{RESPONDENT}"]
    command = [sys.executable, "-m", "pytest", *options, "--batch-report=report.html", *tests]
    subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL)  # some of its tests fail, as they should
    return folder / "report.html"


def pictures(browser: Chromium, url: str) -> None:
    """The beginning in light, quality in dark, the grid on a phone, and a Korean answer."""
    browser.open(url, size=(DESKTOP[0], 1450))
    browser.picture(IMAGES / "report-light.png")
    browser.open(url, dark=True)
    show(browser, "#quality")
    browser.picture(IMAGES / "report-dark.png")
    browser.open(url, size=PHONE, sharp=2)
    show(browser, "#tests")
    browser.picture(IMAGES / "report-narrow.png")
    browser.open(url, size=(DESKTOP[0], 640))
    browser.run("document.querySelector('.grid .bad a').click()")
    browser.run("scrollBy(0, -120)")
    browser.picture(IMAGES / "report-korean.png")


def show(browser: Chromium, selector: str) -> None:
    """Scroll an element to the top."""
    browser.run("document.querySelector(arguments[0]).scrollIntoView()", selector)


if __name__ == "__main__":
    main()
