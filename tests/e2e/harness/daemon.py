"""The programs under test: delightd and delight-load."""

import os
import signal
import socket
from pathlib import Path

import yaml

from .polling import REPOSITORY, HarnessError, evidence
from .process import Process, run_to_end


def program(name, variable):
    """The path of a program under test: from the environment variable, else of the release build."""
    return Path(os.environ.get(variable) or REPOSITORY / "build" / "release" / name)


def merge(base, extra):
    """base with extra laid over it, section by section; None removes a key. Neither is changed."""
    result = dict(base)
    for key, value in extra.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = merge(result[key], value)
        else:
            result[key] = value
    return result


def config_for(broker, redis, topics, /, **extra):
    """The least configuration of a daemon between a Broker and a RedisServer, with quick intervals.

    topics: one name or a list. extra: sections laid over it, e.g. windows=["1h"], kafka={"dead_letter_topic": "dl"}; None removes.
    """
    base = {
        "instance": "test-1",
        "kafka": {
            "topics": [topics] if isinstance(topics, str) else list(topics),
            "properties": {"bootstrap.servers": broker.bootstrap},
        },
        "redis": {"url": redis.url()},
        "http": {"listen": ""},  # many daemons run at a time
        "durability": "memory",
        "windows": ["5m", "1h", "24h"],
        "batch_interval": "50ms",
        "publish_interval": "100ms",
    }
    return merge(base, extra)


def run_delightd(*arguments, stdin=None, timeout=60.0, env=None):
    """Runs delightd check, config, score and their kind to the end; returns subprocess.CompletedProcess with text output."""
    return run_to_end([program("delightd", "DELIGHTD"), *arguments], timeout, f"delightd {arguments[0]}", stdin, env)


class Daemon(Process):
    """delightd run -c FILE, with the configuration given as a dict and written as YAML.

    folder: an existing folder for configuration and log (pytest's tmp_path). arguments: more of the command line.
    notify=True gives it a NOTIFY_SOCKET as systemd does: see notifications() and wait_ready().
    """

    def __init__(self, config, folder, *arguments, name="delightd", binary=None, env=None, notify=False):
        self.folder = Path(folder)
        self.config_path = self.folder / f"{name}.yaml"
        self.write_config(config)
        self._notify_socket, self._notifications = None, []
        environment = {"NOTIFY_SOCKET": "", **(env or {})}
        if notify:
            # An abstract address: the paths of temporary folders may be longer than a socket's 107 bytes.
            address = f"delightd-test-{os.getpid()}-{id(self)}"
            self._notify_socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            self._notify_socket.bind("\0" + address)
            environment["NOTIFY_SOCKET"] = "@" + address
        super().__init__(
            [binary or program("delightd", "DELIGHTD"), "run", "-c", self.config_path, *arguments],
            self.folder / f"{name}.log",
            out=self.folder / f"{name}.out",
            env=environment,
            name=name,
        )

    def write_config(self, config):
        """Writes another configuration to the file; the daemon reads it at its next start or reload()."""
        self.config = config
        text = config if isinstance(config, str) else yaml.safe_dump(config, sort_keys=False, allow_unicode=True)
        new = self.config_path.with_suffix(".new")
        new.write_text(text)
        new.chmod(0o600)
        new.replace(self.config_path)

    def reload(self, config=None):
        """Sends SIGHUP, after writing config if there is one; returns the log mark before it, for wait_log(since=…)."""
        if config is not None:
            self.write_config(config)
        mark = self.mark()
        self.send_signal(signal.SIGHUP)
        return mark

    def restart(self, kill=False):
        """Ends the daemon (kill: by SIGKILL) and starts it again with the same configuration file."""
        if kill:
            self.kill9()
        elif (code := self.stop()) != 0:
            raise HarnessError(f"{self.name} ended with exit code {code} on SIGTERM{evidence([self.log_path])}")
        return self.start()

    def notifications(self):
        """Every sd_notify message so far, oldest first, as dicts: {"READY": "1", "STATUS": "…"}."""
        while True:
            try:
                text = self._notify_socket.recv(65536).decode()
            except BlockingIOError:
                return self._notifications
            self._notifications.append(dict(line.split("=", 1) for line in text.splitlines() if "=" in line))

    def wait_ready(self, timeout=30.0):
        """Waits for READY=1; only with notify=True."""
        self.wait_until(lambda: any("READY" in message for message in self.notifications()), timeout, "READY=1 from sd_notify")

    def close(self):
        if self._notify_socket:
            self._notify_socket.close()
            self._notify_socket = None


class Loader:
    """delight-load, run to its end or in the background."""

    def __init__(self, binary=None, env=None):
        self.binary = Path(binary or program("delight-load", "DELIGHT_LOAD"))
        self.env = env

    def run(self, *arguments, timeout=300.0, expect=0):
        """Runs it to the end; returns subprocess.CompletedProcess. expect: the exit code demanded, None for any."""
        done = run_to_end([self.binary, *arguments], timeout, self.binary.name, env=self.env)
        if expect is not None and done.returncode != expect:
            shown = " ".join(str(argument) for argument in arguments)
            raise HarnessError(
                f"{self.binary.name} {shown}: exit code {done.returncode}, expected {expect}\n"
                f"--- stderr ---\n{done.stderr[-6000:]}\n--- stdout ---\n{done.stdout[-6000:]}"
            )
        return done

    def start(self, folder, *arguments, name="delight-load"):
        """Starts it in the background; returns the Process, a context manager."""
        folder = Path(folder)
        return Process([self.binary, *arguments], folder / f"{name}.log", folder / f"{name}.out", self.env, name).start()
