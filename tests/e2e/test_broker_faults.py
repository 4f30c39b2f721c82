"""durability: kafka over three brokers, replication 3: each of them killed and started again while events come."""

import itertools
from contextlib import ExitStack

import pytest
from confluent_kafka import KafkaException
from harness import Broker, Daemon, Loader, poll
from kafka_mode import KafkaMode
from test_exactly_once import alarms, traffic, verify

WINDOW = "24h"


@pytest.fixture
def cluster():
    """Three nodes that are brokers and controllers; every topic has three replicas, of which two must have a record."""
    with Broker(nodes=3) as running:
        yield running


def partitions(cluster):
    """Every partition of every topic, internal ones included; None while no node answers."""
    try:
        topics = cluster.admin().list_topics(timeout=5).topics.values()
    except KafkaException:
        return None
    return [partition for topic in topics for partition in topic.partitions.values()]


def in_sync(cluster):
    found = partitions(cluster)
    return found and all(partition.leader > 0 and len(partition.isrs) == 3 for partition in found)


def led_by_others(cluster, node):
    found = partitions(cluster)
    return found and all(partition.leader not in (node, -1) for partition in found)


@pytest.mark.long
@pytest.mark.release_only
def test_each_broker_killed_in_turn_under_load(cluster, redis_server, tmp_path):
    """Scores go on with two brokers of three, whichever is away; in the end every field equals the recount."""
    numbers = itertools.count(1)
    mode = KafkaMode(
        cluster, redis_server, lambda partitions, name, config=None: cluster.create_topic(f"{name}-{next(numbers)}", partitions, config),
        windows=[WINDOW])  # fmt: skip
    client = redis_server.client()

    def published():
        return int(client.hget(f"cx:{{all}}:{WINDOW}", "events") or 0)

    with ExitStack() as stack:
        daemons = [stack.enter_context(Daemon(mode.config(f"test-{n}"), tmp_path, name=f"daemon-{n}")) for n in range(2)]
        logs = [*(daemon.log_path for daemon in daemons), *cluster.logs()]
        # With several requests under way librdkafka's idempotent producer has given up when a leader moved ("rewound sequence number").
        words = traffic(daemons[0].config_path, 150000, property="max.in.flight.requests.per.connection=1")
        loader = stack.enter_context(Loader().start(tmp_path, *words, "--rate", "1000"))
        poll(published, 60, "the first scores", logs)
        for node in (1, 2, 3):
            poll(lambda: in_sync(cluster), 120, "every replica to be in sync", logs)
            cluster.stop_node(node, kill=True)
            poll(lambda node=node: led_by_others(cluster, node), 60, f"the others to lead what node {node} led", logs)
            # What is published now may have been read before: two seconds' worth of events is more than was under way.
            seen = published()
            poll(lambda seen=seen: published() > seen + 4000 or not loader.running(), 120, f"scores to go on without node {node}", logs)
            assert loader.running() or loader.wait() == 0, loader.log()
            cluster.start_node(node)
        poll(lambda: in_sync(cluster), 120, "every replica to be in sync", logs)
        assert loader.wait(300) == 0, loader.log()
        verify(mode, words)
        assert not alarms(daemons)
