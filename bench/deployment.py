"""What the benchmarks of kafka mode share: topics and processes of one deployment, and the forms of their tables."""
import os
import statistics
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "e2e"))

from harness import Broker, Daemon, Loader, RedisServer, config_for, merge, poll, run_delightd  # noqa: E402, F401

# A broker that runs for minutes: the optimising compiler is worth it.
JAVA = "-Xms256m -Xmx1g -XX:+UseSerialGC"
TICK = os.sysconf("SC_CLK_TCK")


def say(*words):
    print(*words, file=sys.stderr, flush=True)


class Deployment:
    """The topics of one group, made by `delightd topics --create`, and the configuration of each of its processes.

    Intervals and timeouts are the defaults of delightd; extra: sections laid over. source: an input topic that is there.
    """

    def __init__(self, broker, redis, folder, name, *, partitions=4, source=None, **extra):
        self.broker, self.redis, self.folder, self.name = broker, redis, Path(folder), name
        self.source, self.tallies, self.state = source or f"{name}-in", f"{name}-tallies", f"{name}-state"
        self.extra = extra
        words = ["topics", "-c", self.daemon("setup").config_path, "--create", "--partitions", str(partitions)]
        # On a busy machine the broker may not know yet what it has made.
        poll(lambda: run_delightd(*words).returncode == 0, 60, f"the topics of {name}", broker.logs())

    def config(self, instance, **extra):
        sections = {
            "instance": instance, "durability": "kafka", "batch_interval": None, "publish_interval": None,
            "kafka": {"dead_letter_topic": "", "tallies_topic": self.tallies, "state_topic": self.state,
                      "properties": {"group.id": self.name}},
        }  # fmt: skip
        return config_for(self.broker, self.redis, self.source, **merge(merge(sections, self.extra), extra))

    def daemon(self, instance, **extra):
        return Daemon(self.config(instance, **extra), self.folder, name=f"{self.name}-{instance}")

    def published(self, window):
        """events of all, as a dashboard reads it."""
        return int(self.redis.client().hget(f"cx:{{all}}:{window}", "events") or 0)

    def end_of_tallies(self):
        return self.broker.watermarks(self.tallies)[0][1]


def cpu_seconds(*pids):
    """Processor time of other processes, user and system."""
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICK


def cell(values, form="%.0f"):
    """median (minimum … maximum)"""
    return f"{form % statistics.median(values)} ({form % min(values)} … {form % max(values)})"


def percentile(values, share):
    """The smallest value that so many percent of all do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, int(-(-len(ordered) * share // 100)) - 1)]


def machine():
    return f"{os.cpu_count()} cores, load average {' '.join('%.1f' % load for load in os.getloadavg())} at the end"


def table(head, rows):
    print("| " + " | ".join(map(str, head)) + " |")
    print("|" + " --- |" * len(head))
    for row in rows:
        print("| " + " | ".join(str(value) for value in row) + " |")
    sys.stdout.flush()
