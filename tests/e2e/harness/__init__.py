"""Real parts for end-to-end tests: a Kafka broker, a Redis server, the daemon and the load generator.

Everything listens on 127.0.0.1, lives in a temporary folder, and is ended by its context manager:

    with Broker() as broker, RedisServer() as redis:
        broker.create_topic("cx.feedback", partitions=3)
        with Daemon(config_for(broker, redis, "cx.feedback"), tmp_path) as daemon:
            broker.produce("cx.feedback", [{"type": "survey", "touchpoint": "t", "nps": 10}])
            daemon.wait_until(lambda: redis.client().hget("cx:{touchpoint:t}:1h", "nps_n") == "1", what="the answer's score")

Nothing sleeps for a fixed time: every wait is a condition with a deadline, and a failure says what was awaited and shows the
tail of the logs. DELIGHT_TIMEOUT_FACTOR stretches every deadline, for sanitizers and slow machines.
"""

from .broker import Broker, Record, require_broker
from .browser import Browser, require_browser
from .certificates import Certificates
from .daemon import Daemon, Loader, config_for, merge, run_delightd
from .polling import HarnessError, free_port, poll, skip_or_fail, tail, timeout_factor
from .process import Process, gone, listening_addresses
from .redis_server import RedisServer, require_redis
from .terminal import Terminal

__all__ = [
    "Broker",
    "Browser",
    "Certificates",
    "Daemon",
    "HarnessError",
    "Loader",
    "Process",
    "Record",
    "RedisServer",
    "Terminal",
    "config_for",
    "free_port",
    "gone",
    "listening_addresses",
    "merge",
    "poll",
    "require_broker",
    "require_browser",
    "require_redis",
    "run_delightd",
    "skip_or_fail",
    "tail",
    "timeout_factor",
]
