"""Events for tests, and what they look like in Redis."""

import json
import time

from harness import Record, poll


def now_ms():
    return int(time.time() * 1000)


def survey(touchpoint="desk", **fields):
    """A survey response; nps 10 unless some answer is given."""
    answers = {"nps", "csat", "ces", "expectation", "kano"} & set(fields)
    return {"type": "survey", "touchpoint": touchpoint, **({} if answers else {"nps": 10}), **fields}


def text(event):
    return json.dumps(event)


def spread(events, partitions=4):
    """Records of events, round robin over partitions."""
    return [Record(event, partition=number % partitions) for number, event in enumerate(events)]


def scores(redis, subject, window="1h", prefix="cx"):
    return redis.client().hgetall(f"{prefix}:{{{subject}}}:{window}")


def wait_score(daemon, redis, subject, field, value, window="1h", timeout=30.0, prefix="cx"):
    """Waits until the field of a subject's hash reads value."""
    key = f"{prefix}:{{{subject}}}:{window}"
    client = redis.client()

    def reached():
        found = client.hget(key, field)
        return True if found == str(value) else found and None

    try:
        poll(reached, timeout, f"{key} {field} = {value}", [daemon.log_path])
    except AssertionError as error:
        raise AssertionError(f"{error}\n{key} = {client.hgetall(key)}") from None


def snapshot(redis, prefix="cx", without=("as_of",)):
    """Every hash, set, sorted set and trend under the prefix, without what changes by itself."""
    client = redis.client()
    result = {}
    for key in client.scan_iter(match=f"{prefix}:*", count=1000):
        if key in (f"{prefix}:meta", f"{prefix}:owner") or key.startswith(f"{prefix}:instance:"):
            continue
        kind = client.type(key)
        if kind == "hash":
            result[key] = {name: value for name, value in client.hgetall(key).items() if name not in without}
        elif kind == "set":
            result[key] = client.smembers(key)
        elif kind == "zset":
            result[key] = dict(client.zrange(key, 0, -1, withscores=True))
        elif kind == "string":
            result[key] = client.get(key)
    return result


def dead_letters(broker, topic):
    """(reason, Record) of every dead letter."""
    return [(record.header("__delightd.errors.reason"), record) for record in broker.consume_all(topic)]


def wait_same(redis, before, timeout, what, logs=()):
    """Waits until a snapshot() equals an earlier one; a failure names the first keys that differ.

    as_of is left out: it is the clock at which a hash was last written, and all of them are written again.
    """
    now = {}

    def same():
        now.clear()
        now.update(snapshot(redis))
        return now == before

    try:
        poll(same, timeout, what, logs)
    except AssertionError as error:
        differ = sorted(key for key in before.keys() | now.keys() if before.get(key) != now.get(key))
        first = "\n".join(f"{key}\n  was {before.get(key)}\n  is  {now.get(key)}" for key in differ[:5])
        raise AssertionError(f"{error}\n{len(differ)} keys differ: {differ[:40]}\n{first}") from None
