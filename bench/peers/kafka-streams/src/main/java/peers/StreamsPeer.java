package peers;

import java.nio.file.Path;
import java.time.Duration;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Repartitioned;
import org.apache.kafka.streams.processor.PunctuationType;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;

/**
 * kafka-streams BROKERS TOPIC REDIS_HOST REDIS_PORT NAME FOLDER. Each task counts its partitions' events into panes; four times a
 * second what it counted goes to one task, which keeps the windows and publishes. State is in memory and without a changelog, as
 * delightd's memory mode: whoever restarts reads the topic again.
 */
public final class StreamsPeer {
    private static final byte[] NO_KEY = new byte[0]; // A repartition drops records whose key is null.
    private static final Duration INTERVAL = Duration.ofMillis(Scores.INTERVAL_MS);

    private StreamsPeer() {
    }

    private static final class Tally implements Processor<byte[], byte[], byte[], byte[]> {
        private final Event event = new Event();
        private final Partial partial = new Partial();

        @Override
        public void init(ProcessorContext<byte[], byte[]> context) {
            context.schedule(INTERVAL, PunctuationType.WALL_CLOCK_TIME, now -> {
                if (!partial.isEmpty()) {
                    context.forward(new Record<>(NO_KEY, partial.take(), now));
                }
            });
        }

        @Override
        public void process(Record<byte[], byte[]> record) {
            partial.add(event, record.value() != null && event.read(record.value(), record.timestamp()));
        }
    }

    private static final class Publish implements Processor<byte[], byte[], Void, Void> {
        private final Scores scores;

        Publish(String host, int port) {
            scores = new Scores(host, port);
        }

        @Override
        public void init(ProcessorContext<Void, Void> context) {
            context.schedule(INTERVAL, PunctuationType.WALL_CLOCK_TIME, now -> scores.publish());
        }

        @Override
        public void process(Record<byte[], byte[]> record) {
            scores.add(record.value());
        }

        @Override
        public void close() {
            scores.close();
        }
    }

    static Properties properties(String[] words) {
        Properties properties = new Properties();
        properties.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, words[0]);
        properties.put(StreamsConfig.APPLICATION_ID_CONFIG, words[4]);
        properties.put(StreamsConfig.STATE_DIR_CONFIG, Path.of(words[5]).toString());
        properties.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 2);
        properties.put(StreamsConfig.BUFFERED_RECORDS_PER_PARTITION_CONFIG, 10_000);
        properties.put(StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
        properties.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_POLL_RECORDS_CONFIG), 10_000);
        properties.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_PARTITION_FETCH_BYTES_CONFIG), 4 << 20);
        properties.put(StreamsConfig.producerPrefix(ProducerConfig.COMPRESSION_TYPE_CONFIG), "lz4");
        properties.put(StreamsConfig.producerPrefix(ProducerConfig.MAX_REQUEST_SIZE_CONFIG), 16 << 20);
        return properties;
    }

    static void run(KafkaStreams streams) {
        Runtime.getRuntime().addShutdownHook(new Thread(() -> streams.close(Duration.ofSeconds(5))));
        streams.start();
    }

    public static void main(String[] words) {
        int port = Integer.parseInt(words[3]);
        StreamsBuilder builder = new StreamsBuilder();
        builder.stream(words[1], Consumed.with(Serdes.ByteArray(), Serdes.ByteArray()))
                .process(Tally::new)
                .repartition(Repartitioned.with(Serdes.ByteArray(), Serdes.ByteArray()).withName("partials").withNumberOfPartitions(1))
                .process(() -> new Publish(words[2], port));
        run(new KafkaStreams(builder.build(), properties(words)));
    }
}
