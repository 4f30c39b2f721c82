"""A real Apache Kafka by tests/broker/kafka.sh, and the ways a test talks to it."""

import contextlib
import itertools
import json
import os
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic

from .polling import REPOSITORY, HarnessError, evidence, poll, skip_or_fail, timeout_factor

SCRIPT = REPOSITORY / "tests" / "broker" / "kafka.sh"

# A broker of a functional test lives for a minute or two: the optimising compiler would cost more than it gains.
QUICK_JAVA = "-Xms64m -Xmx768m -XX:+UseSerialGC -XX:TieredStopAtLevel=1"


def require_broker():
    """Skips the test (fails it where CI is set) when no Kafka can be had here, saying why."""
    for verb in ("available", "resolve"):  # Maven may be there, and its repository out of reach
        done = subprocess.run([SCRIPT, verb], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            reason = (done.stderr.strip() or f"kafka.sh {verb} failed").splitlines()[-1]
            skip_or_fail(f"no Kafka broker: {reason}")


@dataclass
class Record:
    """One record of a topic, to write or as read.

    value, key: bytes, str or None; a dict or list as value is written as JSON. timestamp_ms: None for now. headers: (name,
    value) pairs. partition and offset are None where not known.
    """

    value: object = None
    key: object = None
    partition: int = None
    timestamp_ms: int = None
    headers: list = field(default_factory=list)
    offset: int = None

    def json(self):
        """The value, decoded from JSON."""
        return json.loads(self.value)

    def header(self, name):
        """The first header of that name as text, or None."""
        return next((value.decode(errors="replace") for key, value in self.headers if key == name), None)


class Broker:
    """A cluster of one or three nodes; a context manager. Its addresses stay the same while nodes stop and start.

    settings: lines of server.properties. listeners: {"CLIENT": "SASL_PLAINTEXT"}, addresses by bootstrap_of("CLIENT").
    scram: kafka.sh's --scram. java_options: the nodes' JVM options, e.g. for benchmarks (default: the environment's
    DELIGHT_KAFKA_JAVA_OPTS, else QUICK_JAVA). See kafka.sh --help.
    """

    def __init__(self, nodes=1, settings=None, listeners=None, scram=(), java_options=None):
        self.nodes, self.settings, self.listeners = nodes, dict(settings or {}), dict(listeners or {})
        self.scram = list(scram)
        self.java_options = java_options or os.environ.get("DELIGHT_KAFKA_JAVA_OPTS") or QUICK_JAVA
        self.facts = {}
        self._admin = None

    # -- life --

    def start(self):
        """Starts the cluster and waits until it serves clients; skips the test where no Kafka can be had."""
        require_broker()
        # With an owner, the cluster ends even when the test run is killed.
        arguments = ["start", "--nodes", self.nodes, "--owner", os.getpid()]
        for key, value in self.settings.items():
            arguments += ["--set", f"{key}={value}"]
        for name, protocol in self.listeners.items():
            arguments += ["--listener", f"{name}:{protocol}"]
        for spec in self.scram:
            arguments += ["--scram", spec]
        # The first call on a machine also fetches Kafka.
        text = self._script(*arguments, timeout=600)
        self.facts = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
        return self

    def stop(self):
        """Ends every node and removes the cluster's folder."""
        if self.facts:
            self._admin = None
            self._script("stop", self.folder, "--now")
            self.facts = {}

    def __enter__(self):
        return self if self.facts else self.start()

    def __exit__(self, *_):
        self.stop()

    @property
    def folder(self):
        return self.facts["dir"]

    @property
    def bootstrap(self):
        """host:port,… of the plaintext listener."""
        return self.facts["bootstrap"]

    def bootstrap_of(self, listener):
        """host:port,… of a further listener."""
        return self.facts[f"bootstrap_{listener.lower()}"]

    def logs(self):
        """The nodes' log files."""
        return sorted(Path(self.folder).glob("node-*/server.log")) if self.facts else []

    def account(self):
        """For the report of a failed test: the ends of the nodes' logs, and every transaction, hanging ones apart."""
        parts = [evidence(self.logs(), lines=100)]
        for path in self.logs():
            told = [line for line in path.read_text(errors="replace").splitlines() if re.search(" (WARN|ERROR|FATAL) |[Ff]encing", line)]
            parts.append(f"--- what was not as usual, in {path} ---\n" + "\n".join(told[-60:]))
        for verb in (["list"], ["find-hanging", "--broker-id", "1"]):
            try:
                parts.append(f"--- transactions, {verb[0]} ---\n" + self.tool("org.apache.kafka.tools.TransactionsCommand", *verb))
            except HarnessError as error:
                parts.append(f"--- transactions, {verb[0]}: {error} ---")
        return "\n".join(parts)

    def pids(self):
        """The process ids of the nodes that run."""
        text = self._script("info", self.folder)
        facts = dict(line.split("=", 1) for line in text.splitlines())
        return [int(pid) for pid in facts["pids"].split()]

    # -- single nodes, 1 to the number of nodes --

    def stop_node(self, node=1, kill=False):
        """Stops a node cleanly, or kills it."""
        self._script("stop-node", self.folder, node, *(["--now"] if kill else []))

    def start_node(self, node=1):
        """Starts a stopped node again, on the same port with its data, and waits until it serves clients."""
        self._script("start-node", self.folder, node, timeout=180)

    def pause_node(self, node=1):
        """SIGSTOP: connections stay open, nothing is answered."""
        self._script("pause-node", self.folder, node)

    def resume_node(self, node=1):
        self._script("resume-node", self.folder, node)

    # -- topics --

    def admin(self):
        """confluent_kafka's AdminClient of the plaintext listener."""
        if self._admin is None:
            self._admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 3})
        return self._admin

    def create_topic(self, name, partitions=1, config=None, replication=None):
        """Creates a topic and waits until every partition has a leader; returns the name."""
        new = NewTopic(name, partitions, replication or self.nodes, config={k: str(v) for k, v in (config or {}).items()})
        self.admin().create_topics([new], operation_timeout=30)[name].result(60)
        self._wait_partitions(name, partitions)
        return name

    def delete_topic(self, name):
        """Deletes a topic and waits until no node knows it; a topic that is not there is no error."""
        try:
            self.admin().delete_topics([name], operation_timeout=30)[name].result(60)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise
        # A client that sees a topic go may crash later (librdkafka #4964, in 2.4 and later, so in Debian 13): go on with another.
        self._admin = None
        poll(lambda: name not in self.topics(), 30, f"topic {name} to be gone", self.logs())

    def add_partitions(self, name, total):
        """Grows a topic to `total` partitions and waits until the new ones have leaders."""
        self.admin().create_partitions([NewPartitions(name, total)], operation_timeout=30)[name].result(60)
        self._wait_partitions(name, total)

    def configure_topic(self, name, config):
        """Changes single settings of a topic, {"retention.ms": 1000}; None takes one back to its default."""
        arguments = []
        for key, value in config.items():
            arguments += ["--delete", key] if value is None else ["--add", f"{key}={value}"]
        self._script("topic", self.folder, "config", name, *arguments)

    def topics(self):
        """{name: number of partitions}, internal topics left out."""
        found = self.admin().list_topics(timeout=30 * timeout_factor()).topics
        return {name: len(topic.partitions) for name, topic in found.items() if not name.startswith("__")}

    def leader(self, topic, partition=0):
        """The node that leads the partition, -1: none, None: not told, as by a client whose node has just gone."""
        try:
            return self.admin().list_topics(topic, timeout=5 * timeout_factor()).topics[topic].partitions[partition].leader
        except KafkaException:
            self._admin = None
            return None

    def watermarks(self, topic):
        """{partition: (low, high)}: the first offset there is, and one past the last, control records included."""
        with self._consumer({"isolation.level": "read_uncommitted"}) as consumer:
            return {number: self._watermarks(consumer, topic, number) for number in range(self._partitions(topic))}

    def delete_records(self, topic, before):
        """Deletes what lies before the offsets {partition: offset}; -1 means everything."""
        path = Path(self.folder) / "delete-records.json"
        wanted = [{"topic": topic, "partition": number, "offset": offset} for number, offset in before.items()]
        path.write_text(json.dumps({"version": 1, "partitions": wanted}))
        text = self.tool("org.apache.kafka.tools.DeleteRecordsCommand", "--offset-json-file", path)
        if "error" in text:
            raise HarnessError(f"records of {topic} were not deleted: {text}")

    def allow(self, principal, *operations, topic=None, group=None, transactional_id=None):
        """Adds an ACL (only with settings that name an authorizer): allow("User:alice", "Read", topic="cx.feedback")."""
        self.tool("org.apache.kafka.tools.AclCommand", "--add", *self._acl(principal, operations, topic, group, transactional_id))

    def disallow(self, principal, *operations, topic=None, group=None, transactional_id=None):
        """Takes back what allow() added."""
        what = self._acl(principal, operations, topic, group, transactional_id)
        self.tool("org.apache.kafka.tools.AclCommand", "--remove", "--force", *what)

    def tool(self, name, *arguments):
        """Runs a class of Kafka's command line, --bootstrap-server filled in; returns its output. Costs about a second."""
        return self._script("tool", self.folder, name, *arguments)

    # -- writing --

    def producer(self, **options):
        """confluent_kafka's Producer; options as in compression_type="lz4" stand for librdkafka's compression.type.

        Idempotent unless options say otherwise: a retry, as right after a topic's creation, neither repeats nor reorders records.
        """
        chosen = {
            "bootstrap.servers": self.bootstrap,
            "linger.ms": 5,
            "message.max.bytes": 32000000,
            "enable.idempotence": True,
        }
        return Producer(chosen | {key.replace("_", "."): value for key, value in options.items()})

    def produce(self, topic, records, compression=None, producer=None, **options):
        """Writes records and waits until each is acknowledged; returns them as Records with partition and offset, in order.

        records: an iterable of Record, or of values: dict and list (written as JSON), str, bytes, None (a tombstone).
        compression: none, gzip, snappy, lz4 or zstd. producer: use this one (options and compression are then not looked at),
        e.g. of transaction(). options: as of producer().
        """
        if producer is None:
            producer = self.producer(**({"compression_type": compression} if compression else {}), **options)
        written, problems = [], []
        for record in records:
            record = record if isinstance(record, Record) else Record(record)
            written.append(record)
            self._send(producer, topic, record, problems)
        left = producer.flush(120 * timeout_factor())
        if left or problems:
            first = problems[0] if problems else "no answer"
            raise HarnessError(
                f"{left + len(problems)} of {len(written)} records to {topic} were not acknowledged; first: {first}"
                f"{evidence(self.logs())}"
            )
        return written

    @contextlib.contextmanager
    def transaction(self, transactional_id, **options):
        """A transactional producer inside a transaction; commits at the end of the block, aborts when it raises.

            with broker.transaction("t") as producer:
                broker.produce("cx.feedback", events, producer=producer)

        To abort on purpose, or to leave a transaction open, use transactional_producer().
        """
        producer = self.transactional_producer(transactional_id, **options)
        producer.begin_transaction()
        try:
            yield producer
        except BaseException:
            producer.abort_transaction(60)
            raise
        producer.commit_transaction(60)

    def transactional_producer(self, transactional_id, **options):
        """A producer that is ready for begin_transaction(), commit_transaction() and abort_transaction()."""
        producer = self.producer(transactional_id=transactional_id, **options)
        producer.init_transactions(60 * timeout_factor())
        return producer

    # -- reading --

    def consume_all(self, topic, isolation="read_committed", timeout=120.0, **options):
        """Every Record of a topic up to its present end, partition by partition, by offset within each.

        With read_committed the end is where the oldest open transaction begins. options: as of producer().
        """
        partitions = self._partitions(topic)
        result = {number: [] for number in range(partitions)}
        with self._consumer({"isolation.level": isolation} | {k.replace("_", "."): v for k, v in options.items()}) as consumer:
            # A partition's end-of-partition event says that a reader of this isolation level has seen everything.
            open_partitions = set(result)
            consumer.assign([TopicPartition(topic, number, 0) for number in result])

            def read():
                for message in consumer.consume(5000, timeout=0.2):
                    if message.error() is None:
                        result[message.partition()].append(_record(message))
                    elif message.error().code() == KafkaError._PARTITION_EOF:
                        open_partitions.discard(message.partition())
                    else:
                        raise HarnessError(f"reading {topic}: {message.error()}{evidence(self.logs())}")
                return not open_partitions

            poll(read, timeout, f"every partition of {topic} to be read to its end", self.logs())
        return list(itertools.chain.from_iterable(result.values()))

    # -- inside --

    def _script(self, *arguments, timeout=180.0):
        seconds = timeout * timeout_factor()
        words = [str(SCRIPT), *map(str, arguments)]
        environment = {**os.environ, "DELIGHT_KAFKA_JAVA_OPTS": self.java_options}
        try:
            done = subprocess.run(
                words,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=seconds,
                env=environment,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise HarnessError(f"waited {seconds:g} s in vain for {' '.join(words)}{evidence(self.logs())}") from None
        if done.returncode != 0:
            raise HarnessError(f"{' '.join(words)}: exit code {done.returncode}\n{done.stderr}{done.stdout}")
        return done.stdout

    def _send(self, producer, topic, record, problems):
        def delivered(error, message):
            if error:
                problems.append(error)
            else:
                record.partition, record.offset = message.partition(), message.offset()

        arguments = {"value": _bytes(record.value), "key": _bytes(record.key), "on_delivery": delivered}
        if record.partition is not None:
            arguments["partition"] = record.partition
        if record.timestamp_ms is not None:
            arguments["timestamp"] = record.timestamp_ms
        if record.headers:
            arguments["headers"] = [(name, _bytes(value)) for name, value in record.headers]

        def accepted():
            try:
                producer.produce(topic, **arguments)
            except BufferError:
                producer.poll(0.1)
                return False
            return True

        # The queue is seldom full: a million records need no million deadlines.
        if not accepted():
            poll(accepted, 60, f"room for a record to {topic}", self.logs())
        producer.poll(0)

    @contextlib.contextmanager
    def _consumer(self, options):
        chosen = {
            "bootstrap.servers": self.bootstrap,
            "group.id": "harness",  # Demanded by the library; assigned by hand and never committed.
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
            "fetch.message.max.bytes": 33554432,
            "receive.message.max.bytes": 200000000,
        }
        consumer = Consumer(chosen | options)
        try:
            yield consumer
        finally:
            consumer.close()

    @staticmethod
    def _watermarks(consumer, topic, number):
        return consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=30 * timeout_factor(), cached=False)

    def _partitions(self, topic):
        found = self.topics()
        if topic not in found:
            raise HarnessError(f"there is no topic {topic}; there are {sorted(found)}")
        return found[topic]

    def _wait_partitions(self, name, count):
        def led():
            topic = self.admin().list_topics(name, timeout=30 * timeout_factor()).topics[name]
            return len(topic.partitions) == count and all(
                partition.leader >= 0 and partition.error is None for partition in topic.partitions.values()
            )

        poll(led, 30, f"leaders of all {count} partitions of {name}", self.logs(), ignore=(KafkaException,))

    @staticmethod
    def _acl(principal, operations, topic, group, transactional_id):
        words = ["--allow-principal", principal]
        for operation in operations:
            words += ["--operation", operation]
        for option, value in (("--topic", topic), ("--group", group), ("--transactional-id", transactional_id)):
            words += [option, value] if value else []
        return words


def _bytes(value):
    if isinstance(value, (dict, list)):
        value = json.dumps(value, ensure_ascii=False)
    return value.encode() if isinstance(value, str) else value


def _record(message):
    return Record(
        value=message.value(),
        key=message.key(),
        partition=message.partition(),
        timestamp_ms=message.timestamp()[1],
        headers=message.headers() or [],
        offset=message.offset(),
    )
