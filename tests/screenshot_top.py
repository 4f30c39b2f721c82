#!/usr/bin/python3
"""A picture of `delightd top` from a running system: broker, Redis, daemon and load generator, all started here and ended again.

    tests/screenshot_top.py [FILE]    default: build/top.png; deploy/top.png is what README.md shows, at most 300 KiB

Needs tmux, chromium and pyte: apt install tmux chromium python3-pyte
"""

import contextlib
import html
import itertools
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pyte
import yaml

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "e2e"))
sys.dont_write_bytecode = True

from harness import Broker, Daemon, Loader, RedisServer, Terminal, config_for  # noqa: E402
from harness.daemon import program  # noqa: E402

COLUMNS, ROWS = 118, 28
CELL_WIDTH, CELL_HEIGHT = 8.43, 18  # of 14 px DejaVu Sans Mono
WORDS = ["--touchpoints", "24", "--journeys", "3", "--segments", "channel=app:5|web:4|branch:2,tier=basic:7|vip:2"]
BYTES_MAX = 300 * 1024

INK, PAPER = "#d5d9e0", "#14171c"
COLOURS = {"default": None, "red": "#ff6b68", "green": "#4fc66b", "white": "#ffffff"}
PAGE = """<!DOCTYPE html><meta charset="utf-8"><style>
body {{ margin: 0; padding: 14px 16px; background: {paper} }}
pre {{ margin: 0; font: 14px/{height}px "DejaVu Sans Mono"; color: {ink} }}
</style><pre>{text}</pre>"""


def top_of_a_running_system(folder):
    """The screen, with the escape codes of its looks."""
    with contextlib.ExitStack() as stack:
        broker, redis = stack.enter_context(Broker()), stack.enter_context(RedisServer())
        broker.create_topic("cx.feedback", 4)
        catalogue = yaml.safe_load(Loader().run("--print-catalogue", *WORDS).stdout)["catalogue"]
        config = config_for(broker, redis, "cx.feedback", windows=["5m", "1h", "24h"], segments=["channel", "tier"], catalogue=catalogue)
        daemon = stack.enter_context(Daemon(config, folder))
        send = [*WORDS, "--brokers", broker.bootstrap, "--topic", "cx.feedback"]
        Loader().run(*send, "--span", "90m", "--count", "60000", "--id-prefix", "past")
        stack.enter_context(Loader().start(folder, *send, "--rate", "40", "--seconds", "3600", "--seed", "2"))
        arguments = [program("delightd", "DELIGHTD"), "top", "-c", daemon.config_path, "--window", "1h", "--sort", "nps"]
        terminal = stack.enter_context(Terminal(arguments, COLUMNS, ROWS))

        def settled(lines):
            """Every touchpoint has its NPS with an interval and where it goes."""
            rows = [line for line in lines[2:-1] if line.strip()]
            return len(rows) >= 25 and all(re.search(r"\[ *-?\d+\.\d, *-?\d+\.\d\][▲▼=]", line) for line in rows) and "s ago" in lines[0]

        terminal.wait(settled, "all touchpoints with their trends", 60)
        terminal.keys(*["down"] * 7)
        return "\n".join(terminal.screen(looks=True))


def style(cell):
    """What a terminal does with a character's looks."""
    ink, paper = COLOURS[cell.fg] or INK, COLOURS[cell.bg] or PAPER
    if cell.reverse:
        ink, paper = paper, ink
    return f"color:{ink};background:{paper};" + ("font-weight:bold" if cell.bold else "")


def as_html(screen):
    """pyte, a terminal in memory, tells the looks of each character."""
    terminal = pyte.Screen(COLUMNS, ROWS)
    pyte.Stream(terminal).feed(screen.replace("\n", "\r\n"))
    for row in range(ROWS):
        cells = [terminal.buffer[row][column] for column in range(COLUMNS)]
        runs = itertools.groupby(cells, key=style)
        yield "".join(f'<span style="{looks}">{html.escape("".join(cell.data for cell in run))}</span>' for looks, run in runs)


def draw(screen, folder, picture):
    """Chromium makes the picture."""
    page = folder / "top.html"
    page.write_text(PAGE.format(ink=INK, paper=PAPER, height=CELL_HEIGHT, text="\n".join(as_html(screen))), encoding="utf-8")
    size = f"{round(COLUMNS * CELL_WIDTH) + 32},{ROWS * CELL_HEIGHT + 28}"
    subprocess.run(
        ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={folder}/chromium", f"--window-size={size}",
         "--force-device-scale-factor=1.25", f"--screenshot={picture}", page.as_uri()], capture_output=True, check=True, timeout=120
    )  # fmt: skip


def main():
    picture = Path(sys.argv[1] if sys.argv[1:] else HERE.parent / "build" / "top.png").resolve()
    with tempfile.TemporaryDirectory(prefix="delightd-top.") as name:
        folder = Path(name)
        draw(top_of_a_running_system(folder), folder, picture)
    print(f"{picture}  {picture.stat().st_size // 1024} KiB")
    return 0 if picture.stat().st_size <= BYTES_MAX else 1


if __name__ == "__main__":
    sys.exit(main())
