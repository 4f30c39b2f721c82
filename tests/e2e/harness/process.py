"""A child process with its log in a file."""

import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

from .polling import HarnessError, evidence, poll, timeout_factor

SANITIZER_SIGNS = re.compile(
    r"ERROR: AddressSanitizer|runtime error:|WARNING: ThreadSanitizer|LeakSanitizer|ERROR: MemorySanitizer|DEADLYSIGNAL"
)


class Process:
    """Starts a program with stdout and stderr in files, waits for what it logs, and ends it.

    The environment is the test's own plus env, so ASAN_OPTIONS, UBSAN_OPTIONS and TSAN_OPTIONS reach the program. As a context
    manager it ends the program and fails the test if a sanitizer has spoken.
    """

    def __init__(self, arguments, log, out=None, env=None, name=None, cwd=None):
        """log: file for stderr, appended to over restarts. out: file for stdout (default: the same as stderr)."""
        self.arguments = [str(argument) for argument in arguments]
        self.log_path = Path(log)
        self.out_path = Path(out) if out else None
        self.env = dict(env or {})
        self.cwd = cwd
        self.name = name or Path(self.arguments[0]).name
        self.popen = None
        self._checked = 0

    # -- life --

    def start(self):
        """Starts the program; returns self."""
        if self.running():
            raise HarnessError(f"{self.name} is running already, as process {self.popen.pid}")
        if not shutil.which(self.arguments[0]):
            raise HarnessError(f"{self.arguments[0]} is not there or not executable: build it first (tests/run.sh does)")
        environment = {"UBSAN_OPTIONS": "print_stacktrace=1", **os.environ, **self.env}
        with open(self.log_path, "ab") as log, open(self.out_path or os.devnull, "ab") as out:
            self.popen = subprocess.Popen(
                self.arguments,
                stdin=subprocess.DEVNULL,
                stdout=out if self.out_path else log,
                stderr=log,
                env=environment,
                cwd=self.cwd,
            )
        return self

    @property
    def pid(self):
        return self.popen.pid

    def running(self):
        return self.popen is not None and self.popen.poll() is None

    def send_signal(self, number):
        """Sends a signal; an error if the program has ended."""
        if not self.running():
            raise HarnessError(f"{self.name} {self._end()}, and cannot get signal {number}{evidence([self.log_path])}")
        self.popen.send_signal(number)

    def wait(self, timeout=30.0):
        """Waits for the program's own end; returns its exit code (negative: killed by that signal)."""
        seconds = timeout * timeout_factor()
        try:
            return self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            raise HarnessError(f"waited {seconds:g} s in vain for {self.name} to end{evidence([self.log_path])}") from None

    def stop(self, timeout=30.0, number=signal.SIGTERM):
        """Asks the program to end and waits for it; returns its exit code. Fails if a sanitizer has spoken."""
        if self.running():
            self.popen.send_signal(number)
        code = self.wait(timeout)
        self.check_sanitizers()
        return code

    def kill9(self):
        """Kills the program, as a crash would."""
        if self.running():
            self.popen.kill()
        self.popen.wait()

    def pause(self):
        """SIGSTOP; returns when the program really stands still."""
        self.send_signal(signal.SIGSTOP)
        poll(self.stopped, 5, f"{self.name} to stand still")

    def resume(self):
        self.send_signal(signal.SIGCONT)

    def __enter__(self):
        return self.start() if self.popen is None else self

    def __exit__(self, kind, *_):
        try:
            if self.running():
                self.popen.send_signal(signal.SIGCONT)
                self.popen.terminate()
                try:
                    self.popen.wait(30 * timeout_factor())
                except subprocess.TimeoutExpired:
                    self.kill9()
                    if kind is None:
                        raise HarnessError(f"{self.name} did not end by SIGTERM{evidence([self.log_path])}") from None
        finally:
            self.close()
        self.check_sanitizers()

    def close(self):
        """For subclasses: what else is to be released at the end."""

    # -- log --

    def log(self, since=0):
        """What the program wrote to stderr, from a mark on."""
        try:
            with open(self.log_path, "rb") as file:
                file.seek(since)
                return file.read().decode(errors="replace")
        except FileNotFoundError:
            return ""

    def out(self):
        """What the program wrote to stdout, if that has a file of its own."""
        return self.out_path.read_text(errors="replace") if self.out_path and self.out_path.exists() else ""

    def mark(self):
        """The log's present end, for wait_log(since=…) and log(since=…)."""
        return self.log_path.stat().st_size if self.log_path.exists() else 0

    def wait_log(self, pattern, timeout=15.0, since=0):
        """Waits until the log has a match of the regular expression (multi-line mode); returns the match."""
        expression = re.compile(pattern, re.MULTILINE)
        return self.wait_until(lambda: expression.search(self.log(since)), timeout, f"a log line like /{pattern}/")

    def wait_until(self, condition, timeout=15.0, what="a condition", ignore=(), logs=()):
        """poll(), but fails at once when the program ends before the condition holds."""

        def check():
            alive = self.running()
            result = condition()
            if not result and not alive:
                raise HarnessError(f"{self.name} {self._end()} while it was awaited: {what}{evidence([self.log_path])}")
            return result

        return poll(check, timeout, f"{what} ({self.name})", [self.log_path, *logs], ignore)

    def check_sanitizers(self):
        """Fails if a sanitizer has written to the log since the last check."""
        text, self._checked = self.log(self._checked), self.mark()
        if self.out_path:
            text += self.out()
        found = SANITIZER_SIGNS.search(text)
        if found:
            raise HarnessError(f"a sanitizer reports on {self.name}:\n{text[max(0, found.start() - 200) : found.start() + 6000]}")

    # -- numbers --

    def rss(self):
        """Resident memory in bytes."""
        return int(re.search(r"^VmRSS:\s+(\d+) kB", self._proc("status"), re.MULTILINE)[1]) * 1024

    def rss_peak(self):
        """The largest resident memory so far, in bytes."""
        return int(re.search(r"^VmHWM:\s+(\d+) kB", self._proc("status"), re.MULTILINE)[1]) * 1024

    def cpu_seconds(self):
        """Processor time used so far, user and system."""
        fields = self._proc("stat").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def cpu_share(self, seconds=1.0):
        """The share of one core that it uses over the coming time: a daemon with nothing to do stays near 0."""
        start, clock = self.cpu_seconds(), time.monotonic()
        time.sleep(seconds)  # A rate needs an interval; nothing is awaited here.
        return (self.cpu_seconds() - start) / (time.monotonic() - clock)

    def open_files(self):
        """How many file descriptors it has open."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def _proc(self, name):
        if not self.running():
            raise HarnessError(f"{self.name} {self._end()}, so it has no numbers{evidence([self.log_path])}")
        return Path(f"/proc/{self.pid}/{name}").read_text()

    def stopped(self):
        """Whether it was stopped as by SIGSTOP."""
        return self._state() == "T"

    def _state(self):
        return self._proc("stat").rpartition(")")[2].split()[0]

    def _end(self):
        if self.popen is None:
            return "was never started"
        code = self.popen.poll()
        return f"was killed by signal {-code}" if code is not None and code < 0 else f"has ended with exit code {code}"


def gone(pid):
    """Whether a process has ended; one whose parent has not taken notice yet counts as ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def listening_addresses(pid):
    """The TCP addresses a process listens on, as sorted "ip:port" strings; for proving that tests stay on loopback."""
    inodes = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = os.readlink(link)
        except FileNotFoundError:
            continue
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    found = []
    for table, size in (("tcp", 4), ("tcp6", 16)):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:
                address, port = fields[1].split(":")
                found.append(f"{_dotted(address, size)}:{int(port, 16)}")
    return sorted(found)


def _dotted(text, size):
    raw = bytes.fromhex(text)
    if size == 4:
        return ".".join(str(byte) for byte in reversed(raw))
    words = b"".join(bytes(reversed(raw[i : i + 4])) for i in range(0, 16, 4))
    if words.startswith(b"\0" * 10 + b"\xff\xff"):
        return ".".join(str(byte) for byte in words[12:])
    return "[" + words.hex(":", 2) + "]"


def run_to_end(arguments, timeout, what, stdin=None, env=None):
    """Runs a program to its end; returns subprocess.CompletedProcess with text output. Out of time, or a sanitizer: a failure."""
    seconds = timeout * timeout_factor()
    try:
        done = subprocess.run(
            [str(argument) for argument in arguments],
            input=stdin,
            capture_output=True,
            text=not isinstance(stdin, bytes),
            timeout=seconds,
            env={"UBSAN_OPTIONS": "print_stacktrace=1", **os.environ, **(env or {})},
            check=False,
        )
    except FileNotFoundError:
        raise HarnessError(f"{arguments[0]} is not there: build it first (tests/run.sh does)") from None
    except subprocess.TimeoutExpired as late:
        shown = (late.stderr or b"").decode(errors="replace")[-4000:]
        raise HarnessError(f"waited {seconds:g} s in vain for {what} to end\n{shown}") from None
    errors = done.stderr if isinstance(done.stderr, str) else done.stderr.decode(errors="replace")
    if SANITIZER_SIGNS.search(errors):
        raise HarnessError(f"a sanitizer reports on {what}:\n{errors[-6000:]}")
    return done


__all__ = ["Process", "gone", "listening_addresses", "run_to_end"]
