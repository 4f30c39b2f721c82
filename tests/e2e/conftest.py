"""Fixtures of the end-to-end tests; the parts themselves are in harness/."""

import itertools
import os
import re

import pytest

from harness import Broker, Certificates, RedisServer

_numbers = itertools.count(1)


def pytest_configure(config):
    config.addinivalue_line("markers", "release_only: says nothing more under a sanitizer; run with the release build")
    config.addinivalue_line("markers", "long: waits for a minute or so; run with DELIGHT_LONG=1")


# Files whose tests wait or count for long, the longest first.
LENGTHY = ["test_exact", "test_exactly_once", "test_acl", "test_changes", "test_data_loss", "test_kafka_group", "test_kafka_transactions",
           "test_kafka_source", "test_deadletter", "test_page", "test_kafka", "test_dashboards"]  # fmt: skip


def pytest_collection_modifyitems(config, items):
    """Leaves the long tests out unless they are wanted, and deals the lengthy ones out to the workers: xdist gives each a stretch of
    the list at first, a quarter of its share long."""
    if not os.environ.get("DELIGHT_LONG"):
        unwanted = [item for item in items if item.get_closest_marker("long")]
        config.hook.pytest_deselected(items=unwanted)
        items[:] = [item for item in items if item not in unwanted]
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    rank = {name: number for number, name in enumerate(LENGTHY)}
    long = sorted((item for item in items if item.path.stem in rank), key=lambda item: rank[item.path.stem])
    short = [item for item in items if item.path.stem not in rank]
    stretch = max(2, len(items) // workers // 4)
    dealt = []
    for worker in range(workers):
        share = long[worker::workers]
        fill = max(0, stretch - len(share))
        dealt += share[:stretch] + short[:fill]
        short = short[fill:] + share[stretch:]
    items[:] = dealt + short


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A test that failed shows what the broker had to say: its log, and the transactions that it knows."""
    report = (yield).get_result()
    used = item.funcargs.get("broker") if hasattr(item, "funcargs") else None
    if call.when == "call" and report.failed and used is not None:
        report.sections.append(("the broker", used.account()))


@pytest.fixture(scope="session")
def broker():
    """One Kafka node for the whole run; a test that stops nodes or needs settings starts a Broker of its own.

    It is not taken for dead when it stands still for want of a processor: the partitions would be without a leader for a moment, and
    that is a fault of its own.
    """
    with Broker(settings={"broker.session.timeout.ms": 60000}) as running:
        yield running


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    """A CA with a server's and a client's certificate."""
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def redis_server():
    """An empty Redis of this test's own."""
    with RedisServer() as running:
        yield running


@pytest.fixture
def new_topic(broker, request):
    """A function that creates topics of this test's own: new_topic(partitions=3, config={…}, name="dead") -> its full name.

    create=False only makes up the name. All of them are deleted after the test.
    """
    made = []
    stem = re.sub(r"[^A-Za-z0-9]+", "-", request.node.name)[:80].strip("-")

    def make(partitions=1, config=None, name="topic", create=True):
        full = f"{stem}-{name}-{next(_numbers)}"
        made.append(full)
        return broker.create_topic(full, partitions, config) if create else full

    yield make
    for name in made:
        broker.delete_topic(name)


@pytest.fixture
def topic(new_topic):
    """A topic of this test's own with four partitions."""
    return new_topic(partitions=4)
