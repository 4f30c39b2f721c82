"""Headless Chromium by Debian's chromedriver and Selenium."""

import contextlib
import json
import shutil
import tempfile
from pathlib import Path

from .polling import poll, skip_or_fail

# What a test's browser must not do: ask its maker for anything, or want a display, a sandbox or a graphics card.
FLAGS = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--disable-default-apps", "--disable-extensions",
    "--no-proxy-server", "--force-color-profile=srgb", "--hide-scrollbars",
]  # fmt: skip


def require_browser():
    """Skips the test (fails it where CI is set) when there is no Chromium to drive."""
    try:
        import selenium  # noqa: F401
    except ImportError:
        skip_or_fail("no Selenium: install Debian's python3-selenium")
    for program in ("chromium", "chromedriver"):
        if not shutil.which(program):
            skip_or_fail(f"no {program}: install Debian's chromium and chromium-driver")


class Browser:
    """A Chromium with a fresh profile; a context manager. driver: Selenium's, for what is not here.

    prelude: JavaScript that runs in every page before its own.
    """

    def __init__(self, prelude=""):
        require_browser()
        self.prelude = prelude
        self.driver = None

    def __enter__(self):
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service

        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium")
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        with contextlib.ExitStack() as stack:
            profile = stack.enter_context(tempfile.TemporaryDirectory(prefix="delightd-browser.", ignore_cleanup_errors=True))
            for flag in [*FLAGS, f"--user-data-dir={profile}"]:
                options.add_argument(flag)
            self.driver = webdriver.Chrome(service=Service(shutil.which("chromedriver")), options=options)
            stack.callback(self.driver.quit)
            if self.prelude:
                self.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": self.prelude})
            self.look(1440, 900)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_):
        self._stack.close()

    def look(self, width, height, dark=False, phone=False):
        """The size of the window in CSS pixels, and what the system prefers."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 2 if phone else 1, "mobile": phone}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})

    def open(self, url):
        self.driver.get(url)

    def run(self, script, *arguments):
        """The value that a piece of JavaScript returns."""
        return self.driver.execute_script(script, *arguments)

    def wait(self, script, *arguments, timeout=30.0, what=None):
        """Waits until a JavaScript expression is true; returns its value. What the console says is shown with a failure."""
        try:
            return poll(lambda: self.run(f"return {script}", *arguments), timeout, what or script)
        except AssertionError as error:
            raise AssertionError(f"{error}\nconsole: {json.dumps(self.console(), indent=1)}") from None

    def find(self, selector):
        from selenium.webdriver.common.by import By

        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def text(self, selector):
        return self.run("return document.querySelector(arguments[0]).textContent.trim()", selector)

    def click(self, selector):
        """A click of the mouse in the middle of what is visible of it."""
        element = self.find(selector)
        self.run("arguments[0].scrollIntoView({block: 'center'})", element)
        element.click()

    def keys(self, *keys):
        """Keys go to what has the focus."""
        from selenium.webdriver import ActionChains

        ActionChains(self.driver).send_keys(*keys).perform()

    def console(self):
        """What the console has said since the last call: [{level, message, …}]."""
        return self.driver.get_log("browser")

    def screenshot(self, path, height=None):
        """The window as PNG; height: of it in CSS pixels, more than is visible."""
        import base64

        area = self.run("return [document.documentElement.clientWidth, window.innerHeight]")
        clip = {"x": 0, "y": 0, "width": area[0], "height": height or area[1], "scale": 1}
        shot = self.driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png", "clip": clip, "captureBeyondViewport": True})
        Path(path).write_bytes(base64.b64decode(shot["data"]))
