"""Waiting for conditions, and what every other module of the harness needs."""

import os
import socket
import time
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]


class HarnessError(AssertionError):
    """A test's expectation of a real part was not met; the message carries the evidence."""


def timeout_factor():
    """What every deadline is multiplied by: DELIGHT_TIMEOUT_FACTOR, by default 1."""
    return float(os.environ.get("DELIGHT_TIMEOUT_FACTOR") or 1)


def tail(path, lines=40):
    """The last lines of a file, or a sentence saying why there are none; reads at most 256 KiB."""
    try:
        with open(path, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - 262144))
            text = file.read().decode(errors="replace")
    except OSError as error:
        return f"({error})"
    return "\n".join(text.splitlines()[-lines:]) or f"({path} is empty)"


def evidence(paths, lines=40):
    """The tails of several logs, each under its name."""
    return "".join(f"\n--- last lines of {path} ---\n{tail(path, lines)}" for path in paths)


def poll(condition, timeout=10.0, what="a condition", logs=(), ignore=()):
    """Calls condition() until it returns something true, and returns that.

    timeout: seconds, stretched by DELIGHT_TIMEOUT_FACTOR. logs: files whose tails the failure shows. ignore: exceptions
    that mean "not yet". condition is called once more after the deadline, so that a stalled machine does not fail a test whose
    condition already holds.
    """
    seconds = timeout * timeout_factor()
    deadline = time.monotonic() + seconds
    pause = 0.005
    while True:
        late = time.monotonic() >= deadline
        problem = None
        try:
            result = condition()
        except ignore as error:
            result, problem = None, error
        if result:
            return result
        if late:
            last = f"; last: {problem!r}" if problem else f"; last: {result!r}"
            raise HarnessError(f"waited {seconds:g} s in vain for {what}{last}{evidence(logs)}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)


def free_port():
    """A TCP port of 127.0.0.1 that was free a moment ago; who starts a server on it must be ready to try another one."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def skip_or_fail(reason):
    """Skips the test by name; where CI is set (non-empty) a missing part is a failure instead."""
    if os.environ.get("CI"):
        pytest.fail(f"{reason} (a skip is a failure where CI is set)", pytrace=False)
    pytest.skip(reason)
