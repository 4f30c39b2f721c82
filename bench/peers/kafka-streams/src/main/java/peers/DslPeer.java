package peers;

import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.Properties;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.kstream.Windowed;
import org.apache.kafka.streams.processor.PunctuationType;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.Stores;

/**
 * The same job in the DSL, as most users write it: events are grouped by touchpoint and by stage, which sends each of them through a
 * repartition topic, and aggregated into tumbling windows of five seconds, the panes; a cached store in memory, without a changelog,
 * hands on what changed with every commit, four a second, and a processor at the end sums the panes of 5m and 1h.
 */
public final class DslPeer {
    private static final Duration PANE = Duration.ofMillis(Partial.PANE_MS);
    private static final Duration GRACE = Duration.ofMinutes(61); // The partitions of a topic that is read again are far apart.

    private DslPeer() {
    }

    /** An event becomes two records, keyed by subject; its counters travel as the record's value, its time as the timestamp. */
    private static final class Split implements Processor<byte[], byte[], String, byte[]> {
        private final Event event = new Event();
        private ProcessorContext<String, byte[]> context;

        @Override
        public void init(ProcessorContext<String, byte[]> given) {
            context = given;
        }

        @Override
        public void process(Record<byte[], byte[]> record) {
            if (record.value() == null || !event.read(record.value(), record.timestamp())) {
                return;
            }
            int[] counters = new int[Counters.COUNT];
            Counters.add(counters, event);
            byte[] value = bytes(counters);
            context.forward(new Record<>("touchpoint:" + event.touchpoint, value, event.timeMs));
            if (event.stage != null) {
                context.forward(new Record<>("stage:" + event.stage, value, event.timeMs));
            }
        }
    }

    private static final class Publish implements Processor<Windowed<String>, byte[], Void, Void> {
        private final Scores scores;

        Publish(String host, int port, AtomicLong newestMs) {
            scores = new Scores(host, port, newestMs);
        }

        @Override
        public void init(ProcessorContext<Void, Void> context) {
            context.schedule(Duration.ofMillis(Scores.INTERVAL_MS), PunctuationType.WALL_CLOCK_TIME, now -> scores.publish());
        }

        @Override
        public void process(Record<Windowed<String>, byte[]> record) {
            scores.set(record.key().key(), record.key().window().start(), counters(record.value()));
        }

        @Override
        public void close() {
            scores.close();
        }
    }

    private static byte[] bytes(int[] counters) {
        ByteBuffer bytes = ByteBuffer.allocate(4 * counters.length);
        bytes.asIntBuffer().put(counters);
        return bytes.array();
    }

    private static int[] counters(byte[] bytes) {
        int[] counters = new int[bytes.length / 4];
        ByteBuffer.wrap(bytes).asIntBuffer().get(counters);
        return counters;
    }

    private static byte[] sum(byte[] a, byte[] b) {
        int[] total = counters(a);
        Counters.add(total, counters(b));
        return bytes(total);
    }

    public static void main(String[] words) {
        Properties properties = StreamsPeer.properties(words);
        properties.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, Scores.INTERVAL_MS);
        properties.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 64 << 20);
        AtomicLong newestMs = new AtomicLong(Long.MIN_VALUE);
        int port = Integer.parseInt(words[3]);
        StreamsBuilder builder = new StreamsBuilder();
        builder.stream(words[1], Consumed.with(Serdes.ByteArray(), Serdes.ByteArray()))
                .process(Split::new)
                .groupByKey(Grouped.with("subjects", Serdes.String(), Serdes.ByteArray()))
                .windowedBy(TimeWindows.ofSizeAndGrace(PANE, GRACE))
                .aggregate(() -> bytes(new int[Counters.COUNT]), (key, value, total) -> sum(total, value),
                        Materialized.<String, byte[]>as(Stores.inMemoryWindowStore("panes", GRACE.plus(PANE).plus(PANE), PANE, false))
                                .withKeySerde(Serdes.String()).withValueSerde(Serdes.ByteArray())
                                .withCachingEnabled().withLoggingDisabled())
                .toStream()
                .process(() -> new Publish(words[2], port, newestMs));
        StreamsPeer.run(new KafkaStreams(builder.build(), properties));
    }
}
