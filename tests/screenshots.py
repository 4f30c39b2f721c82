#!/usr/bin/env python3
"""Pictures of the page at / from a running system: broker, Redis, daemon and load generator, all started here and ended again.

    tests/screenshots.py [FOLDER]    page.png, dark.png, phone.png, phone-dark.png (default: build/screenshots)
    tests/screenshots.py --stay      starts the system, prints the page's address, and waits for Enter

page.png is what README.md shows (deploy/page.png): at most 300 KiB.
"""

import sys
import tempfile
from pathlib import Path

import yaml

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "e2e"))
sys.dont_write_bytecode = True

from harness import Broker, Browser, Daemon, Loader, RedisServer, config_for  # noqa: E402

TARGETS = {"nps": 0, "csat": 60, "ces": 60.5, "delight": 15, "service_level": 60, "wait_p95_ms": "90s", "fcr": 70, "complaint_rate": 120}


def system(stack, folder):
    """Starts all of it; returns the page's address."""
    broker, redis = stack.enter_context(Broker()), stack.enter_context(RedisServer())
    broker.create_topic("cx.feedback", 4)
    words = ["--touchpoints", "24", "--journeys", "3", "--features", "11", "--segments", "channel=app:5|web:4|branch:2,tier=basic:7|vip:2"]
    catalogue = yaml.safe_load(Loader().run("--print-catalogue", *words).stdout)["catalogue"]
    config = config_for(broker, redis, "cx.feedback", instance="branch-1", windows=["5m", "1h", "24h"], segments=["channel", "tier"],
                        catalogue=catalogue, targets=TARGETS, publish_interval="250ms", http={"listen": "127.0.0.1:0"})  # fmt: skip
    daemon = stack.enter_context(Daemon(config, folder))
    send = [*words, "--brokers", broker.bootstrap, "--topic", "cx.feedback"]
    Loader().run(*send, "--span", "90m", "--count", "60000", "--id-prefix", "past")
    stack.enter_context(Loader().start(folder, *send, "--rate", "40", "--seconds", "3600", "--seed", "2"))
    port = daemon.wait_log(r"serving HTTP.* port=(\d+)")[1]
    return f"http://127.0.0.1:{port}/"


def shoot(browser, page, folder):
    def settled(address):
        browser.open("about:blank")
        browser.open(address)
        browser.wait("document.querySelectorAll('#table-body tr').length === 24 && document.getElementById('state').textContent === 'Live'")
        browser.wait("document.querySelectorAll('.spark .line[d]').length === 3")
        browser.wait("[...document.querySelectorAll('.spark .line')].every((line) => line.getAttribute('d') !== '')")

    chosen = page + "#window=1h&measure=nps&subject=touchpoint%3Aseat-map"
    for name, width, height, look in (
        ("page", 1280, 700, {}), ("dark", 1440, 900, {"dark": True}), ("phone", 390, 844, {"phone": True}), ("phone-dark", 390, 844, {"phone": True, "dark": True}),
    ):  # fmt: skip
        browser.look(width, height, **look)
        settled(page if "phone" in name else chosen)
        if "phone" not in name:
            browser.wait("document.querySelectorAll('#answers figure').length === 4")
        # Rows that are not in sight are not drawn otherwise.
        browser.run("for (const row of document.querySelectorAll('#table-body tr')) row.style.contentVisibility = 'visible'")
        browser.screenshot(folder / f"{name}.png", browser.run("return document.documentElement.scrollHeight"))


def main():
    import contextlib

    stay = sys.argv[1:] == ["--stay"]
    folder = Path(sys.argv[1] if sys.argv[1:] and not stay else HERE.parent / "build" / "screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        logs = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="delightd-page.")))
        page = system(stack, logs)
        if stay:
            input(f"{page}\nEnter ends it. ")
            return
        shoot(stack.enter_context(Browser()), page, folder)
    for picture in sorted(folder.glob("*.png")):
        print(f"{picture}  {picture.stat().st_size // 1024} KiB")


if __name__ == "__main__":
    main()
