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


def _as_of(value):
    return int(value["as_of"]) if isinstance(value, dict) and "as_of" in value else 0


def _without_as_of(value):
    return {name: field for name, field in value.items() if name != "as_of"} if isinstance(value, dict) else value


def wait_same(redis, before, timeout, what, logs=()):
    """Waits until a snapshot() equals an earlier one; a failure names the first keys that differ.

    before: of snapshot(without=()). as_of is the clock at which a hash was last written: it may be later than before, not earlier.
    """
    now = {}
    wanted = {key: _without_as_of(value) for key, value in before.items()}

    def same():
        whole = snapshot(redis, without=())
        now.clear()
        now.update({key: _without_as_of(value) for key, value in whole.items()})
        return now == wanted and all(_as_of(value) >= _as_of(before[key]) for key, value in whole.items())

    try:
        poll(same, timeout, what, logs)
    except AssertionError as error:
        differ = sorted(key for key in wanted.keys() | now.keys() if wanted.get(key) != now.get(key))
        first = "\n".join(f"{key}\n  was {before.get(key)}\n  is  {now.get(key)}" for key in differ[:5])
        raise AssertionError(f"{error}\n{len(differ)} keys differ: {differ[:40]}\n{first}") from None
