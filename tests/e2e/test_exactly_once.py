"""durability: kafka: every event is counted once, whatever happens to the processes.

DELIGHT_KILLS and DELIGHT_SEED make the crash test longer and another one: tests/README.md.
"""

import os
import random
import re
import signal
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from harness import Daemon, Loader, poll, timeout_factor
from harness.daemon import program
from kafka_mode import KafkaMode

KILLS = int(os.environ.get("DELIGHT_KILLS", "20"))
SEED = int(os.environ.get("DELIGHT_SEED", "1"))
FAILPOINTS = Path(program("delightd", "DELIGHTD")).with_name("delightd-failpoints")
START = "2026-03-01T06:00:00Z"


def traffic(config_path, count, **more):
    options = {
        "config": config_path, "count": count, "span": "6h", "start": START, "record-time": "event", "seed": 7, "compression": "lz4",
        "late": "2%", "future": "1%", "malformed": "1%", "retractions": "1%", "cloudevents": "2%",
        "segments": "channel=app:5|web:3|branch:2", "touchpoints": 40,
    }  # fmt: skip
    return [word for name, value in (options | more).items() for word in (f"--{name}", str(value))]


def test_one_process_counts_as_memory_mode_does_also_after_a_restart(broker, redis_server, new_topic, tmp_path):
    mode = KafkaMode(broker, redis_server, new_topic)
    with Daemon(mode.config(), tmp_path) as daemon:
        words = traffic(daemon.config_path, 50000)
        Loader().run(*words, "--verify", "--verify-timeout", "60s", "--verify-dead-letters", mode.dead)
        mark = daemon.mark()
        daemon.restart()
        daemon.wait_log("caught up", since=mark, timeout=60)
        Loader().run(*words, "--no-send", "--verify", "--verify-timeout", "60s", "--verify-dead-letters", mode.dead)
        mark = daemon.mark()
        daemon.restart(kill=True)
        daemon.wait_log("caught up", since=mark, timeout=60)
        Loader().run(*words, "--no-send", "--verify", "--verify-timeout", "60s", "--verify-dead-letters", mode.dead)


def verify(mode, words, timeout="120s", redis=None):
    Loader().run(*words, "--no-send", "--verify", "--verify-timeout", timeout, "--verify-dead-letters", mode.dead, timeout=300)


def alarms(daemons):
    """What must never be said while nothing is broken."""
    text = "".join(daemon.log() for daemon in daemons)
    return [line for line in text.splitlines() if any(word in line for word in ("source chain", "are lost", "cannot be read", "out of memory"))]


@pytest.mark.release_only
def test_kill_9_at_random_moments(broker, redis_server, new_topic, tmp_path):
    """Three processes, each killed again and again while events come: not one is lost or counted twice."""
    chance = random.Random(SEED)
    mode = KafkaMode(broker, redis_server, new_topic, windows=["5m", "24h"])
    with ExitStack() as stack:
        daemons = [stack.enter_context(Daemon(mode.config(f"test-{n}"), tmp_path, name=f"daemon-{n}")) for n in range(3)]
        rate = 2000
        words = traffic(daemons[0].config_path, int(rate * KILLS * 1.2), seed=SEED)
        loader = stack.enter_context(Loader().start(tmp_path, *words, "--rate", str(rate)))
        for _ in range(KILLS):
            time.sleep(chance.uniform(0.1, 1.5) * timeout_factor())
            daemon = chance.choice(daemons)
            daemon.kill9()
            time.sleep(chance.choice([0.0, 0.0, 0.5, 2.0]))
            daemon.start()
        assert loader.wait(240) == 0, loader.log()
        verify(mode, words)
        assert not alarms(daemons)


POINTS = [
    "batches.begin", "batches.produced", "batches.offsets", "batches.committed", "owner.committed", "publish",
    "checkpoints.begin", "checkpoints.produced", "checkpoints.offsets", "checkpoints.committed",
]  # fmt: skip


@pytest.mark.release_only
def test_a_kill_at_every_step_of_both_transactions(broker, redis_server, new_topic, tmp_path):
    mode = KafkaMode(broker, redis_server, new_topic, partitions=3, windows=["24h"])
    per_step = 2000
    daemon = Daemon(mode.config(), tmp_path, binary=FAILPOINTS)
    words = traffic(daemon.config_path, per_step * len(POINTS))
    with daemon:
        loader_words = [*words, "--rate", str(per_step // 4)]
        with Loader().start(tmp_path, *loader_words) as loader:
            for number, point in enumerate(POINTS):
                daemon.stop()
                # The second time it comes by, there is something in it.
                daemon.env["DELIGHT_FAILPOINT"] = point if number == POINTS.index("owner.committed") else f"{point}:2"
                daemon.start()
                assert daemon.wait(60 * timeout_factor()) == -signal.SIGKILL, f"{point} was never reached\n{daemon.log()[-3000:]}"
                daemon.env.pop("DELIGHT_FAILPOINT")
                daemon.start()
            assert loader.wait(240) == 0, loader.log()
        verify(mode, words)
        assert not alarms([daemon])


@pytest.mark.release_only
def test_zombies_change_nothing(broker, redis_server, new_topic, tmp_path):
    """Each process stopped for longer than session and transaction timeouts, and then let go on."""
    mode = KafkaMode(broker, redis_server, new_topic, windows=["5m", "24h"])
    with ExitStack() as stack:
        daemons = [stack.enter_context(Daemon(mode.config(f"test-{n}"), tmp_path, name=f"daemon-{n}")) for n in range(2)]
        words = traffic(daemons[0].config_path, 40000)
        poll(lambda: [d for d in daemons if "caught up: publishing" in d.log()], 60, "one of them to score", [d.log_path for d in daemons])
        loader = stack.enter_context(Loader().start(tmp_path, *words, "--rate", "1000"))
        owner = next(d for d in daemons if "caught up: publishing" in d.log())
        other = next(d for d in daemons if d is not owner)
        client, token = redis_server.client(), -1
        for zombie, heir in ((owner, other), (other, owner)):
            mark = heir.mark()
            zombie.send_signal(signal.SIGSTOP)
            heir.wait_log("caught up: publishing", since=mark, timeout=60)
            time.sleep(12)  # the transaction timeout is 10 s
            zombie_mark = zombie.mark()
            zombie.send_signal(signal.SIGCONT)
            zombie.wait_log("another process writes|given the scores to another|does not score any more", since=zombie_mark, timeout=60)
            assert int(client.get("cx:owner")) > token, "the fence went back"
            token = int(client.get("cx:owner"))
        assert loader.wait(240) == 0, loader.log()
        verify(mode, words)
        assert not alarms(daemons)


@pytest.mark.release_only
def test_redis_refuses_a_scorer_that_was_overtaken(broker, redis_server, new_topic, tmp_path):
    """A scorer stopped right before it writes, and deaf for the group's word that another one scores now: what it writes when it goes
    on is refused, and it counts that."""
    mode = KafkaMode(broker, redis_server, new_topic, windows=["24h"])
    with ExitStack() as stack:
        # No checkpoint is due: only Redis can tell it.
        zombie = Daemon(mode.config("zombie", checkpoint_interval="10m"), tmp_path, name="zombie", binary=FAILPOINTS,
                        env={"DELIGHT_FAILPOINT": "publish:50:stop", "DELIGHT_BREAK": "deaf_scorer"})  # fmt: skip
        stack.enter_context(zombie)
        words = traffic(zombie.config_path, 15000)
        zombie.wait_log("caught up: publishing", timeout=60)
        heir = stack.enter_context(Daemon(mode.config("heir"), tmp_path, name="heir"))
        loader = stack.enter_context(Loader().start(tmp_path, *words, "--rate", "1000"))
        heir.wait_log("caught up: publishing", timeout=60)
        client = redis_server.client()
        token = poll(lambda: int(client.get("cx:owner")), 30, "the heir to have written to Redis", [heir.log_path])
        zombie.send_signal(signal.SIGCONT)
        zombie.wait_log("another process publishes under this prefix with a newer token", timeout=60)
        assert int(client.get("cx:owner")) == token, "the fence went back"
        assert zombie.stop() == 0
        assert int(re.findall(r"redis_fenced=(\d+)", zombie.log())[-1]) > 0
        assert loader.wait(240) == 0, loader.log()
        verify(mode, words)
        assert not alarms([zombie, heir])


@pytest.mark.release_only
@pytest.mark.parametrize("broken", ["offsets_outside", "metadata_late"])
def test_the_source_chain_catches_a_broken_promise(broker, redis_server, new_topic, tmp_path, broken):
    """A build that commits wrongly is caught: by the chain, as a gap or an overlap, with an alarm and a stop."""
    mode = KafkaMode(broker, redis_server, new_topic, partitions=2, windows=["24h"])
    with ExitStack() as stack:
        scorer = stack.enter_context(Daemon(mode.config("scorer", roles=["score"]), tmp_path, name="scorer"))
        bad = Daemon(mode.config("bad", roles=["ingest"]), tmp_path, name="bad", binary=FAILPOINTS, env={"DELIGHT_BREAK": broken})
        # Stopped with a batch in its hands, and nothing of it sent.
        bad.env["DELIGHT_FAILPOINT"] = "batches.produced:6" if broken == "offsets_outside" else "batches.begin:6:stop"
        stack.enter_context(bad)
        # More than is needed: a broker that is slow to start makes few batches of many events.
        words = traffic(scorer.config_path, 120000)
        loader = stack.enter_context(Loader().start(tmp_path, *words, "--rate", "1000"))
        if broken == "offsets_outside":
            assert bad.wait(60) == -signal.SIGKILL
            bad.env["DELIGHT_FAILPOINT"] = ""
            bad.start()
        else:
            bad.wait_until(bad.stopped, 60, "its stop before the sixth batch")
            good = stack.enter_context(Daemon(mode.config("good", roles=["ingest"]), tmp_path, name="good"))
            good.wait_log("the group has assigned partitions", timeout=60)
            # It counts what the other holds, and more.
            events = lambda: int(redis_server.client().hget("cx:{all}:24h", "events") or 0)  # noqa: E731
            before = events()
            good.wait_until(lambda: events() > before + 2000, 60, "scores to go on")
            bad.send_signal(signal.SIGCONT)
        scorer.wait_log("(gap|overlap) in the source chain", timeout=60)
        assert scorer.wait(60) == 1
        loader.stop()


@pytest.mark.release_only
def test_processes_come_and_go(broker, redis_server, new_topic, tmp_path):
    """1, 4, 2, 3 processes under load."""
    mode = KafkaMode(broker, redis_server, new_topic, partitions=8, windows=["24h"])
    with ExitStack() as stack:
        daemons = [Daemon(mode.config(f"test-{n}"), tmp_path, name=f"daemon-{n}") for n in range(4)]
        running = [stack.enter_context(daemons[0])]
        words = traffic(daemons[0].config_path, 40000)
        loader = stack.enter_context(Loader().start(tmp_path, *words, "--rate", "1500"))
        for wanted in (4, 2, 3):
            marks = {daemon: daemon.mark() for daemon in running}
            while len(running) > wanted:
                assert running.pop(0).stop() == 0
            while len(running) < wanted:
                daemon = next(d for d in daemons if d not in running)
                running.append(daemon.start() if daemon.log_path.exists() else stack.enter_context(daemon))
            for daemon in running:
                daemon.wait_log("the group has assigned partitions", since=marks.get(daemon, 0), timeout=60)
        assert loader.wait(240) == 0, loader.log()
        verify(mode, words)
        assert not alarms(daemons)


def test_published_scores_never_fall_back_when_the_scorer_is_killed(broker, redis_server, new_topic, tmp_path):
    mode = KafkaMode(broker, redis_server, new_topic, windows=["24h"])
    client = redis_server.client()
    with ExitStack() as stack:
        daemons = [stack.enter_context(Daemon(mode.config(f"test-{n}"), tmp_path, name=f"daemon-{n}")) for n in range(2)]
        # Nothing expires: events that come late by nearly a window would, soon after, and a score may fall then.
        words = traffic(daemons[0].config_path, 12000, retractions=0, late=0)
        loader = stack.enter_context(Loader().start(tmp_path, *words, "--rate", "1000"))
        seen, killed, owner = 0, False, None
        deadline = time.monotonic() + 300 * timeout_factor()
        while loader.running() or not killed:
            assert time.monotonic() < deadline
            events = int(client.hget("cx:{all}:24h", "events") or 0)
            assert events >= seen, f"published events fell from {seen} to {events}"
            seen = events
            if not killed and seen > 2000:
                owner = next(d for d in daemons if "caught up: publishing" in d.log())
                owner.kill9()
                killed = True
        heir = next(d for d in daemons if d is not owner)
        heir.wait_log("caught up: publishing", timeout=60)
        owner.start()
        verify(mode, words)


@pytest.mark.release_only
def test_two_processes_of_one_name_end_with_one_of_them(broker, redis_server, new_topic, tmp_path):
    """They fence each other: at the third time in a minute one says so, names the instance, and stops; nothing is counted twice."""
    mode = KafkaMode(broker, redis_server, new_topic, windows=["24h"])
    with ExitStack() as stack:
        daemons = [stack.enter_context(Daemon(mode.config("twin"), tmp_path, name=f"daemon-{n}")) for n in range(2)]
        words = traffic(daemons[0].config_path, 20000)
        loader = stack.enter_context(Loader().start(tmp_path, *words, "--rate", "500"))
        poll(lambda: [d for d in daemons if not d.running()], 60, "one of them to stop", [d.log_path for d in daemons])
        stopped = next(d for d in daemons if not d.running())
        assert stopped.wait() == 1
        assert "another process runs under this instance name" in stopped.log() and "instance=twin" in stopped.log()
        assert loader.wait(240) == 0, loader.log()
        verify(mode, words)
        assert not alarms(daemons)
