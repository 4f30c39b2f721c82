"""A real redis-server per test."""

import shutil
import signal
import tempfile
from pathlib import Path

import redis

from .polling import HarnessError, free_port, poll, skip_or_fail, tail
from .process import Process


def require_redis():
    """Skips the test (fails it where CI is set) when there is no redis-server."""
    if not shutil.which("redis-server"):
        skip_or_fail("no redis-server: install Debian's package of that name")


class RedisServer(Process):
    """redis-server on a free port of 127.0.0.1, in a folder of its own, without persistence unless asked for.

    certificates: a Certificates object turns TLS on, on `port`; plaintext is then off. client_certificates: demand one.
    unixsocket: also listen on `socket_path`. password: of the default user. users: ACL lines, as
    "daemon on >secret ~cx:* &cx:* +@all". maxmemory: as "20mb"; policy is noeviction unless settings say so.
    settings: any other directive of redis.conf, {name: value}.
    After stop() or kill() the same port and settings serve start() again. Data outlive that only with persistent=True.
    """

    def __init__(
        self,
        *,
        password=None,
        users=(),
        unixsocket=False,
        certificates=None,
        client_certificates=False,
        maxmemory=None,
        persistent=False,
        settings=None,
    ):
        require_redis()
        self.folder = Path(tempfile.mkdtemp(prefix="delightd-redis."))
        super().__init__(["redis-server", self.folder / "redis.conf"], self.folder / "redis.log", name="redis-server")
        self.password, self.users, self.certificates = password, list(users), certificates
        self.client_certificates, self.maxmemory, self.persistent = client_certificates, maxmemory, persistent
        self.settings = dict(settings or {})
        self.socket_path = self.folder / "redis.sock" if unixsocket else None
        self.port = None
        self._default_client = None
        self._clients = []

    # -- life --

    def start(self):
        """Starts the server and waits until it answers; returns self."""
        for attempt in range(5):
            mark = self.mark()
            fixed = self.port is not None
            self.port = self.port or free_port()
            self._write_settings()
            super().start()
            try:
                poll(lambda: self._answers_or_ended(), 15, f"redis-server on port {self.port} to answer", [self.log_path])
            except BaseException:
                self.kill9()
                raise
            if self.running():
                return self
            # Another program took the port between free_port() and here.
            if "Address already in use" not in self.log(mark) or (fixed and attempt == 4):
                break
            if not fixed:
                self.port, self._default_client = None, None
        raise HarnessError(f"redis-server does not start:\n{tail(self.log_path)}")

    def stop(self, timeout=15.0, number=signal.SIGTERM):
        """Shuts the server down cleanly; returns its exit code."""
        return super().stop(timeout, number)

    def kill(self):
        """Kills the server, as a crash of its host would: nothing is saved."""
        self.kill9()

    def restart(self, kill=False):
        """Ends the server and starts it on the same port: it has forgotten everything unless it is persistent."""
        self.kill() if kill else self.stop()
        return self.start()

    def close(self):
        for client in [self._default_client, *self._clients]:
            if client is not None:
                client.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    # -- addresses --

    def url(self, database=0, user=None, password=None):
        """redis:// or rediss:// address, by default without a user or password in it."""
        scheme = "rediss" if self.certificates else "redis"
        login = f"{user or ''}:{password}@" if password else ""
        return f"{scheme}://{login}127.0.0.1:{self.port}/{database}"

    def client(self, **options):
        """A redis.Redis with text answers and a timeout; options override (username=, password=, db=, …).

        The client without options is always the same one.
        """
        if not options and self._default_client is not None:
            return self._default_client
        chosen = {
            "host": "127.0.0.1",
            "port": self.port,
            "password": self.password,
            "decode_responses": True,
            "socket_timeout": 10,
            "socket_connect_timeout": 5,
        }
        if self.certificates:
            chosen |= {"ssl": True, "ssl_ca_certs": str(self.certificates.ca)}
            if self.client_certificates:
                chosen |= {"ssl_certfile": str(self.certificates.client), "ssl_keyfile": str(self.certificates.client_key)}
        client = redis.Redis(**(chosen | options))
        if options:
            self._clients.append(client)
        else:
            self._default_client = client
        return client

    # -- inside --

    def _answers_or_ended(self):
        """Any answer will do, a demand for a password included; the server's end ends the wait too."""
        if not self.running():
            return True
        try:
            return self.client().ping()
        except (redis.AuthenticationError, redis.ResponseError):
            return True
        except redis.RedisError:
            return False

    def _write_settings(self):
        lines = ["bind 127.0.0.1", "protected-mode no", "daemonize no", f"dir {self.folder}", "maxclients 1000"]
        if self.certificates:
            lines += [
                "port 0",
                f"tls-port {self.port}",
                f"tls-cert-file {self.certificates.server}",
                f"tls-key-file {self.certificates.server_key}",
                f"tls-ca-cert-file {self.certificates.ca}",
                f"tls-auth-clients {'yes' if self.client_certificates else 'no'}",
            ]
        else:
            lines.append(f"port {self.port}")
        lines += ["appendonly yes", "appendfsync always"] if self.persistent else ['save ""', "appendonly no"]
        if self.socket_path:
            lines += [f"unixsocket {self.socket_path}", "unixsocketperm 700"]
        if self.password:
            lines.append(f"requirepass {self.password}")
        if self.maxmemory:
            lines.append(f"maxmemory {self.maxmemory}")
        lines += [f"user {line}" for line in self.users]
        lines += [f"{name} {value}" for name, value in self.settings.items()]
        path = self.folder / "redis.conf"
        path.write_text("\n".join(lines) + "\n")
        path.chmod(0o600)
