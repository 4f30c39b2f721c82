"""A program in a terminal of a given size: tmux is the terminal, on a socket of its own."""

import os
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path

from .polling import HarnessError, poll, skip_or_fail

KEYS = {"esc": "Escape", "enter": "Enter", "up": "Up", "down": "Down", "left": "Left", "right": "Right", "ctrl-c": "C-c", "tab": "Tab",
        "ctrl-u": "C-u", "ctrl-l": "C-l"}


class Terminal:
    """A context manager; the program starts at once. After its end the screen shows "ended STATUS" and what `stty -g` says,
    "as before" or not."""

    def __init__(self, arguments, columns=100, rows=20, locale="C.UTF-8", env=None):
        if not shutil.which("tmux"):
            skip_or_fail("no tmux: install Debian's package of that name")
        self.folder = Path(tempfile.mkdtemp(prefix="delightd-tmux."))
        words = shlex.join(str(argument) for argument in arguments)
        sets = " ".join(f"{name}={shlex.quote(value)}" for name, value in {"LC_ALL": locale, "NO_COLOR": "", **(env or {})}.items())
        # cat ends, and with it the terminal, if the program leaves standard input non-blocking.
        script = f"trap : INT; before=$(stty -g); {sets} {words}; echo ended $?; [ \"$(stty -g)\" = \"$before\" ] && echo as before; exec cat"
        self._tmux("-u", "-f", "/dev/null", "new-session", "-d", "-x", columns, "-y", rows, script)

    def _tmux(self, *arguments):
        environment = {**os.environ, "LC_ALL": "C.UTF-8", "TERM": "xterm-256color"}
        words = ["tmux", "-S", self.folder / "socket", *arguments]
        done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False, env=environment)
        if done.returncode != 0:
            raise HarnessError(f"{words}: {done.stderr}")
        return done.stdout

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self._tmux("kill-server")
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def screen(self, looks=False):
        """The lines on the screen; looks: with the escape codes of colours and emphasis."""
        return self._tmux("capture-pane", "-p", *(["-e", "-N"] if looks else [])).splitlines()

    def keys(self, *keys):
        """Presses keys: characters, or a name of KEYS."""
        for key in keys:
            if key in KEYS:
                self._tmux("send-keys", KEYS[key])
            else:
                self._tmux("send-keys", "-l", key)

    def resize(self, columns, rows):
        self._tmux("resize-window", "-x", columns, "-y", rows)

    def wait(self, condition, what, timeout=15.0):
        """Waits until condition(lines) is true; returns the lines."""
        seen = []

        def holds():
            seen[:] = self.screen()
            return condition(seen)

        try:
            poll(holds, timeout, what)
        except HarnessError as error:
            raise HarnessError(f"{error}\n--- screen ---\n" + "\n".join(seen)) from None
        return list(seen)
