"""durability: kafka in tests: topics, configurations and figures."""

from harness import config_for, merge

QUICK = {"session.timeout.ms": "3000", "heartbeat.interval.ms": "500", "topic.metadata.refresh.interval.ms": "2000"}


class KafkaMode:
    """One deployment: its topics, its group, and the configuration of each of its processes."""

    def __init__(self, broker, redis, new_topic, partitions=6, **extra):
        self.broker, self.redis = broker, redis
        self.source = new_topic(partitions=partitions, name="in")
        self.dead = new_topic(partitions=2, name="dead")
        self.tallies = new_topic(partitions=1, name="tallies")
        self.state = new_topic(partitions=1, name="state", config={"cleanup.policy": "compact"})
        self.extra = extra

    def config(self, instance="test-1", **extra):
        sections = {
            "instance": instance,
            "durability": "kafka",
            "clock": "event",
            "segments": ["channel"],
            "checkpoint_interval": "500ms",
            "kafka": {
                "dead_letter_topic": self.dead,
                "tallies_topic": self.tallies,
                "state_topic": self.state,
                "properties": {"group.id": self.source, **QUICK},
            },
        }
        return config_for(self.broker, self.redis, self.source, **merge(merge(sections, self.extra), extra))
