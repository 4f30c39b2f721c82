"""What Redis can do to the daemon, and every way to reach it."""

import json
import time

import pytest
from feedback import scores, snapshot, spread, survey, wait_score
from harness import Daemon, RedisServer, config_for, poll


def without_trends(found):
    return {key: value for key, value in found.items() if not key.endswith(":trend")}


def test_flushall_is_healed(broker, redis_server, topic, tmp_path):
    config = config_for(broker, redis_server, topic, publish_interval="500ms", segments=["channel"])
    with Daemon(config, tmp_path) as daemon:
        broker.produce(topic, spread([survey(f"t{n % 50}", channel="app", stage="s", journey="j") for n in range(500)]))
        wait_score(daemon, redis_server, "all", "nps_n", 500)
        client = redis_server.client()
        events = {f"touchpoint:t{n}": "10" for n in range(50)} | dict.fromkeys(("all", "stage:s", "journey:j", "journey:j|stage=s"), "500")
        keys = {f"cx:{{{name}{part}}}:{window}": n for name, n in events.items() for part in ("", "|channel=app") for window in ("5m", "1h", "24h")}
        poll(lambda: all(client.hget(key, "events") == n for key, n in keys.items()), 30, "every hash", [daemon.log_path])
        before = without_trends(snapshot(redis_server))
        redis_server.client().flushall()
        start = time.monotonic()
        poll(lambda: without_trends(snapshot(redis_server)) == before, 30, "everything to be back", [daemon.log_path])
        # Two publish intervals are asserted by count in tests/unit/redis/test_view_faults.c; here is the figure.
        print(f"back after {time.monotonic() - start:.2f} s with a publish interval of 0.5 s")


def test_restart_of_redis_with_nothing_in_it(broker, redis_server, topic, tmp_path):
    with Daemon(config_for(broker, redis_server, topic), tmp_path) as daemon:
        broker.produce(topic, spread([survey(f"t{n % 20}") for n in range(200)]))
        wait_score(daemon, redis_server, "all", "nps_n", 200)
        redis_server.kill()
        broker.produce(topic, spread([survey(f"t{n % 20}") for n in range(200)]))
        daemon.wait_log(r"(?i)redis.*(away|down|lost|refused|closed|connect)", timeout=20)
        assert daemon.cpu_share(1.0) < 0.6, "spins while Redis is away"
        redis_server.start()
        wait_score(daemon, redis_server, "all", "nps_n", 400)
        for n in range(20):
            wait_score(daemon, redis_server, f"touchpoint:t{n}", "nps_n", 20)
        assert scores(redis_server, "all", "24h")["nps_n"] == "400"


def test_a_redis_that_hangs_keeps_memory_bounded_and_gets_the_newest_values(broker, redis_server, topic, tmp_path):
    config = config_for(broker, redis_server, topic, redis={"reply_timeout": "1s"})
    with Daemon(config, tmp_path) as daemon:
        broker.produce(topic, spread([survey(f"t{n % 200}") for n in range(2000)]))
        wait_score(daemon, redis_server, "all", "nps_n", 2000)
        resident = daemon.rss()
        redis_server.pause()
        try:
            for _ in range(10):
                broker.produce(topic, spread([survey(f"t{n % 200}") for n in range(2000)]))
            daemon.wait_log(r"(?i)redis.*(timeout|time-out|not answer|answer|in time)", timeout=20)
            assert daemon.rss() < resident + 64_000_000
        finally:
            redis_server.resume()
        wait_score(daemon, redis_server, "all", "nps_n", 22000)
        wait_score(daemon, redis_server, "touchpoint:t7", "nps_n", 110)


def test_password_file_acl_user_and_database(broker, topic, tmp_path):
    user = "daemon on >s3cret ~cx:* &cx:* +@all -@dangerous +info"
    with RedisServer(password="admin", users=[user]) as redis:
        secret = tmp_path / "password"
        secret.write_text("s3cret\n")
        url = f"redis://daemon@127.0.0.1:{redis.port}/3"
        config = config_for(broker, redis, topic, redis={"url": url, "password_file": str(secret)})
        with Daemon(config, tmp_path) as daemon:
            broker.produce(topic, [survey("t")])
            client = redis.client(db=3)
            daemon.wait_until(lambda: client.hget("cx:{touchpoint:t}:1h", "nps_n") == "1", what="the score in database 3")
            assert "s3cret" not in daemon.log()


def test_a_wrong_redis_password_is_said_and_tried_again(broker, topic, tmp_path):
    with RedisServer(password="right") as redis:
        secret = tmp_path / "password"
        secret.write_text("wrong")
        config = config_for(broker, redis, topic, redis={"password_file": str(secret)})
        with Daemon(config, tmp_path) as daemon:
            broker.produce(topic, [survey("t")])
            daemon.wait_log(r"(?i)(WRONGPASS|password|AUTH)", timeout=20)
            assert daemon.cpu_share(1.0) < 0.6
            secret.write_text("right\n")
            wait_score(daemon, redis, "touchpoint:t", "nps_n", 1, timeout=40)


def test_unix_socket(broker, topic, tmp_path):
    with RedisServer(unixsocket=True) as redis:
        with Daemon(config_for(broker, redis, topic, redis={"url": f"unix://{redis.socket_path}"}), tmp_path) as daemon:
            broker.produce(topic, [survey("t")])
            wait_score(daemon, redis, "touchpoint:t", "nps_n", 1)


@pytest.mark.parametrize("client_certificates", [False, True])
def test_tls(broker, topic, tmp_path, certificates, client_certificates):
    with RedisServer(certificates=certificates, client_certificates=client_certificates) as redis:
        tls = {"ca_file": str(certificates.ca)}
        if client_certificates:
            tls |= {"certificate_file": str(certificates.client), "key_file": str(certificates.client_key)}
        with Daemon(config_for(broker, redis, topic, redis={"tls": tls}), tmp_path) as daemon:
            broker.produce(topic, [survey("t")])
            wait_score(daemon, redis, "touchpoint:t", "nps_n", 1)


def test_tls_with_an_unknown_ca_is_refused_and_said(broker, topic, tmp_path, certificates):
    with RedisServer(certificates=certificates) as redis:
        with Daemon(config_for(broker, redis, topic), tmp_path) as daemon:
            daemon.wait_log(r"(?i)(certificate|TLS|verify)", timeout=20)
            assert daemon.running() and daemon.cpu_share(1.0) < 0.6


def test_stale_keys_of_an_earlier_run_are_removed(broker, redis_server, topic, tmp_path):
    client = redis_server.client()
    client.hset("cx:{touchpoint:ghost}:1h", mapping={"events": "5", "nps": "1.0000"})
    client.hset("cx:{touchpoint:t}:9h", mapping={"events": "5"})
    client.sadd("cx:subjects:touchpoint", "touchpoint:ghost")
    client.zadd("cx:rank:nps:touchpoint:1h", {"touchpoint:ghost": 1.0})
    client.set("cxx:other", "stays")
    with Daemon(config_for(broker, redis_server, topic), tmp_path) as daemon:
        broker.produce(topic, [survey("t")])
        wait_score(daemon, redis_server, "touchpoint:t", "nps_n", 1)
        poll(lambda: not client.exists("cx:{touchpoint:ghost}:1h", "cx:{touchpoint:t}:9h", "cx:rank:nps:touchpoint:1h"), 20, "stale keys to go", [daemon.log_path])
        poll(lambda: client.smembers("cx:subjects:touchpoint") == {"touchpoint:t"}, 20, "stale members to go")
        assert client.get("cxx:other") == "stays"


def test_every_key_of_the_contract_is_there(broker, redis_server, topic, tmp_path):
    config = config_for(broker, redis_server, topic, segments=["tier"], rank={"min_n": 5}, windows=["5m", "1h"])
    with Daemon(config, tmp_path) as daemon:
        with redis_server.client().pubsub() as changes:
            changes.subscribe("cx:changed")
            events = [survey("Desk {1}|=%", journey="fly", stage="check in", tier="vip", nps=n % 11, kano={"feature": "wifi", "functional": 1, "dysfunctional": 5}) for n in range(22)]
            broker.produce(topic, events)
            name = "Desk%20%7B1%7D%7C%3D%25"
            wait_score(daemon, redis_server, f"touchpoint:{name}", "nps_n", 22)
            told = set()

            def heard():
                while message := changes.get_message(ignore_subscribe_messages=True, timeout=0.2):
                    told.update(json.loads(message["data"]))
                return f"cx:{{touchpoint:{name}}}:1h" in told

            poll(heard, 10, "the change on cx:changed")
        client = redis_server.client()
        subjects = {
            "all": ["all"],
            "journey": ["journey:fly"],
            "journey_stage": ["journey:fly|stage=check%20in"],
            "stage": ["stage:check%20in"],
            "touchpoint": [f"touchpoint:{name}"],
            "feature": ["feature:wifi"],
        }
        for kind, names in subjects.items():
            assert client.smembers(f"cx:subjects:{kind}") == set(names)
            assert client.smembers(f"cx:subjects:{kind}|tier=vip") == {f"{n}|tier=vip" for n in names}
            for subject in names:
                for window in ("5m", "1h"):
                    for segment in ("", "|tier=vip"):
                        found = client.hgetall(f"cx:{{{subject}{segment}}}:{window}")
                        assert found["events"] == "22" and found["kano_category"] == "one_dimensional", (subject, window, found)
                        assert 0 < client.pttl(f"cx:{{{subject}{segment}}}:{window}") <= {"5m": 300_000, "1h": 3_600_000}[window]
        assert client.zscore("cx:rank:nps:touchpoint:1h", f"touchpoint:{name}") == pytest.approx(-45.4545)
        assert client.zscore("cx:rank:nps:touchpoint|tier=vip:5m", f"touchpoint:{name}|tier=vip") == pytest.approx(-45.4545)
        meta = client.hgetall("cx:meta")
        assert set(meta) >= {"as_of", "data_since", "windows", "segments", "min_n", "version", "catalogue"}
        assert 0 < client.pttl("cx:meta") <= 10_000
        instance = client.hgetall("cx:instance:test-1")
        assert set(instance) >= {"version", "roles", "partitions", "lag", "last_publish"} and instance["lag"] == "0"
        assert client.get("cx:owner").isdigit()
        poll(lambda: client.exists("cx:{all}:5m:trend"), 20, "the trend of a pane that closed")


def test_groups_below_privacy_min_n_show_their_n_only(broker, redis_server, topic, tmp_path):
    config = config_for(broker, redis_server, topic, privacy={"min_n": 3})
    with Daemon(config, tmp_path) as daemon:
        broker.produce(topic, [survey("t"), survey("t")])
        wait_score(daemon, redis_server, "touchpoint:t", "nps_n", 2)
        assert "nps" not in scores(redis_server, "touchpoint:t") and "promoters" not in scores(redis_server, "touchpoint:t")
        broker.produce(topic, [survey("t")])
        wait_score(daemon, redis_server, "touchpoint:t", "nps", "100.0000")


def test_an_owner_from_the_future_delays_but_does_not_lock_out(broker, redis_server, topic, tmp_path):
    client = redis_server.client()
    client.set("cx:owner", str(int(time.time() * 1000) + 3_600_000), px=4000)
    with Daemon(config_for(broker, redis_server, topic), tmp_path) as daemon:
        broker.produce(topic, [survey("t")])
        daemon.wait_log("another process publishes")
        wait_score(daemon, redis_server, "touchpoint:t", "nps_n", 1)
        daemon.wait_log("publishes again")
        assert 0 < client.pttl("cx:owner") <= 60_000


def test_a_key_of_another_type_is_named(broker, redis_server, topic, tmp_path):
    client = redis_server.client()
    client.set("cx:subjects:touchpoint", "not a set")
    with Daemon(config_for(broker, redis_server, topic), tmp_path) as daemon:
        broker.produce(topic, [survey("t")])
        daemon.wait_log(r"WRONGTYPE.*\(SADD cx:subjects:touchpoint\)")
        # It keeps nothing else back.
        wait_score(daemon, redis_server, "touchpoint:t", "nps_n", 1)
        broker.produce(topic, [survey("t")])
        wait_score(daemon, redis_server, "touchpoint:t", "nps_n", 2)
        assert client.get("cx:subjects:touchpoint") == "not a set"
        client.delete("cx:subjects:touchpoint")
        poll(lambda: client.smembers("cx:subjects:touchpoint") == {"touchpoint:t"}, 30, "the set to be written")
