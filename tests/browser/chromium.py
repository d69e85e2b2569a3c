"""Chromium without a window, driven over WebDriver: a page at a size and in a scheme, and what it logged and asked for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from selenium.webdriver.remote.webelement import WebElement

BROWSER, DRIVER = which("chromium"), which("chromedriver")

QUIET = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions"),
    *("--hide-scrollbars", "--lang=en"),
)
"""Nothing of its own: no window, and no request that a page did not make."""

DESKTOP, PHONE = (1280, 900), (375, 720)
"""Pixels across and down."""

CSS, ENTER = "css selector", "\ue007"
"""WebDriver's words for them."""


class Chromium:
    """One browser with one page."""

    def __init__(self, profile: Path) -> None:
        from selenium import webdriver

        options = webdriver.ChromeOptions()
        options.binary_location = BROWSER or ""
        for flag in (*QUIET, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))

    def close(self) -> None:
        """End the browser and its driver."""
        self.driver.quit()

    def open(
        self, url: str, *, size: tuple[int, int] = DESKTOP, dark: bool = False, script: bool = True, sharp: int = 1
    ) -> None:
        """Load a page anew at this size, with `sharp` dots of the screen a pixel; `script=False` runs none of its own."""
        self.driver.get("about:blank")
        self.console(), self.hosts()
        wide, high = size
        metrics = {"width": wide, "height": high, "deviceScaleFactor": sharp, "mobile": wide < 500}
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        self.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": not script})
        self.driver.get(url)

    def run(self, script: str, *given: object) -> Any:
        """What a script `return`s; it runs also where the page's own may not."""
        return self.driver.execute_script(script, *given)

    def find(self, selector: str) -> WebElement:
        """The first element of a CSS selector."""
        return self.driver.find_element(CSS, selector)

    def all(self, selector: str) -> list[WebElement]:
        """All elements of a CSS selector."""
        return self.driver.find_elements(CSS, selector)

    def press_enter(self, element: WebElement) -> None:
        """Press Enter on an element that has the focus."""
        self.run("arguments[0].focus()", element)
        self.driver.switch_to.active_element.send_keys(ENTER)

    def console(self) -> list[str]:
        """What the console has had since the last call: logs, warnings, errors, what the policy refused."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def hosts(self) -> list[str]:
        """The URLs that were asked for since the last call, but not the files and data of the machine itself."""
        events = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        urls = [_asked(event) for event in events]
        return [url for url in urls if url and not url.startswith(("file:", "data:", "about:"))]

    def picture(self, path: Path) -> None:
        """Write what is seen as PNG."""
        path.write_bytes(self.driver.get_screenshot_as_png())


def _asked(event: Mapping[str, Any]) -> str:
    """The URL of a request or of a new socket; none of another event."""
    given = event["params"]
    return {
        "Network.requestWillBeSent": lambda: str(given["request"]["url"]),
        "Network.webSocketCreated": lambda: str(given["url"]),
    }.get(event["method"], str)()
