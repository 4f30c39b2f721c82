"""quixstreams BROKERS TOPIC REDIS_HOST REDIS_PORT NAME FOLDER: a sink that counts every record into panes, and at every commit, four a
second, publishes what changed. State is in memory, as delightd's memory mode: whoever restarts reads the topic again."""

import sys
from collections import defaultdict
from datetime import datetime

import orjson
import redis
from quixstreams import Application
from quixstreams.sinks.base import BaseSink

PANE_MS = 5000  # of the 5m window; twelve are one of the 1h window's
PANES = 60
WINDOWS = {"5m": 1, "1h": 12}  # panes of five seconds in a pane of the window
EVENTS, PROMOTERS, PASSIVES, DETRACTORS, CSAT_N, CSAT_TOP, CSAT_SUM = range(7)
NPS = [DETRACTORS] * 7 + [PASSIVES] * 2 + [PROMOTERS] * 2


class Scores(BaseSink):
    """The windows of every touchpoint and stage, under delightd's own keys and field names."""

    def __init__(self, host, port):
        super().__init__(on_client_connect_success=lambda: None)
        self.redis = redis.Redis(host=host, port=port)
        self.cells = defaultdict(lambda: [0] * 7)  # by touchpoint, stage and pane, since the last commit
        self.subjects = defaultdict(lambda: {name: {} for name in WINDOWS})  # counters by pane
        self.published = {}
        self.newest_ms = self.records = self.records_published = 0

    def add(self, value, key, timestamp, headers, topic, partition, offset):
        self.records += 1
        try:
            event = orjson.loads(value)
            at = event.get("time", timestamp)
            time_ms = int(datetime.fromisoformat(at).timestamp() * 1000 + 0.5) if isinstance(at, str) else int(at)
            counters = self.cells[event["touchpoint"], event.get("stage"), time_ms // PANE_MS]
        except (ValueError, KeyError):
            return
        self.newest_ms = max(self.newest_ms, time_ms)
        sign = -1 if event.get("op") == "retract" else 1
        counters[EVENTS] += sign
        if event["type"] != "survey":
            return
        nps, csat = event.get("nps"), event.get("csat")
        if nps is not None:
            counters[NPS[int(nps)]] += sign
        if csat is not None:
            counters[CSAT_N] += sign
            counters[CSAT_TOP] += sign * (csat >= 4)
            counters[CSAT_SUM] += sign * int(csat)

    def flush(self):
        if self.records == self.records_published:
            return
        for (touchpoint, stage, pane), counters in self.cells.items():
            self.count(f"touchpoint:{touchpoint}", pane, counters)
            if stage:
                self.count(f"stage:{stage}", pane, counters)
        self.cells.clear()
        with self.redis.pipeline(transaction=False) as pipeline:
            for subject, windows in self.subjects.items():
                for name, panes in windows.items():
                    self.publish(pipeline, f"cx:{{{subject}}}:{name}", panes, self.newest_ms // PANE_MS // WINDOWS[name])
            pipeline.set("bench:records", self.records)
            pipeline.execute()
        self.records_published = self.records

    def count(self, subject, pane, counters):
        for name, panes in self.subjects[subject].items():
            own = panes.get(pane // WINDOWS[name])
            if own is None:
                panes[pane // WINDOWS[name]] = counters[:]
            else:
                for i, counter in enumerate(counters):
                    own[i] += counter

    def publish(self, pipeline, key, panes, newest):
        for left in [pane for pane in panes if pane <= newest - PANES]:
            del panes[left]
        total = [sum(column) for column in zip(*panes.values())] or [0] * 7
        if self.published.get(key) == total:
            return
        self.published[key] = total
        if total[EVENTS] == 0:
            pipeline.delete(key)
            return
        n = total[PROMOTERS] + total[PASSIVES] + total[DETRACTORS]
        if n == 0 or total[CSAT_N] == 0:
            pipeline.delete(key)  # The last answer may have left the window.
        fields = {"as_of": self.newest_ms, "events": total[EVENTS]}
        if n > 0:
            fields |= {"nps_n": n, "nps": f"{100 * (total[PROMOTERS] - total[DETRACTORS]) / n:.4f}", "promoters": total[PROMOTERS],
                       "passives": total[PASSIVES], "detractors": total[DETRACTORS]}  # fmt: skip
        if total[CSAT_N] > 0:
            fields |= {"csat_n": total[CSAT_N], "csat": f"{100 * total[CSAT_TOP] / total[CSAT_N]:.4f}",
                       "csat_mean": f"{total[CSAT_SUM] / total[CSAT_N]:.4f}"}  # fmt: skip
        pipeline.hset(key, mapping=fields)


def main():
    brokers, topic, host, port, name, folder = sys.argv[1:]
    application = Application(
        broker_address=brokers,
        consumer_group=name,
        auto_offset_reset="earliest",
        auto_create_topics=False,
        commit_interval=0.25,
        state_dir=folder,
        loglevel="WARNING",
        consumer_extra_config={"queued.min.messages": 1000000, "fetch.message.max.bytes": 4 << 20},
    )
    source = application.topic(topic, key_deserializer="bytes", value_deserializer="bytes")
    application.dataframe(source).sink(Scores(host, int(port)))
    application.run()


if __name__ == "__main__":
    main()
