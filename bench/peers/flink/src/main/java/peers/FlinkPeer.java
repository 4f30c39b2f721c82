package peers;

import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.typeinfo.PrimitiveArrayTypeInfo;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.JobManagerOptions;
import org.apache.flink.configuration.PipelineOptions;
import org.apache.flink.configuration.RestOptions;
import org.apache.flink.configuration.TaskManagerOptions;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.connector.kafka.source.reader.deserializer.KafkaRecordDeserializationSchema;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.sink.v2.DiscardingSink;
import org.apache.flink.streaming.api.operators.AbstractStreamOperator;
import org.apache.flink.streaming.api.operators.OneInputStreamOperator;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;
import org.apache.flink.util.Collector;
import org.apache.kafka.clients.consumer.ConsumerRecord;

/**
 * flink BROKERS TOPIC REDIS_HOST REDIS_PORT NAME: a local cluster in this process. Each of two source tasks counts its partitions'
 * events into panes, chained to the source and with object reuse; four times a second what it counted goes to one task, which
 * keeps the windows and publishes. No checkpoints, as delightd's memory mode: whoever restarts reads the topic again.
 */
public final class FlinkPeer {
    private FlinkPeer() {
    }

    /** Hands on the bytes of a record: parsing is the operator's. */
    private static final class Bytes implements KafkaRecordDeserializationSchema<byte[]> {
        private static final long serialVersionUID = 1;

        @Override
        public void deserialize(ConsumerRecord<byte[], byte[]> record, Collector<byte[]> out) {
            out.collect(record.value() == null ? new byte[0] : record.value());
        }

        @Override
        public TypeInformation<byte[]> getProducedType() {
            return PrimitiveArrayTypeInfo.BYTE_PRIMITIVE_ARRAY_TYPE_INFO;
        }
    }

    private static final class Tally extends AbstractStreamOperator<byte[]> implements OneInputStreamOperator<byte[], byte[]> {
        private static final long serialVersionUID = 1;
        private transient Event event;
        private transient Partial partial;

        @Override
        public void open() throws Exception {
            super.open();
            event = new Event();
            partial = new Partial();
            getProcessingTimeService().scheduleWithFixedDelay(now -> {
                if (!partial.isEmpty()) {
                    output.collect(new StreamRecord<>(partial.take()));
                }
            }, Scores.INTERVAL_MS, Scores.INTERVAL_MS);
        }

        @Override
        public void processElement(StreamRecord<byte[]> record) {
            partial.add(event, event.read(record.getValue(), record.getTimestamp()));
        }
    }

    private static final class Publish extends AbstractStreamOperator<byte[]> implements OneInputStreamOperator<byte[], byte[]> {
        private static final long serialVersionUID = 1;
        private final String host;
        private final int port;
        private transient Scores scores;

        Publish(String host, int port) {
            this.host = host;
            this.port = port;
        }

        @Override
        public void open() throws Exception {
            super.open();
            scores = new Scores(host, port);
            getProcessingTimeService().scheduleWithFixedDelay(now -> scores.publish(), Scores.INTERVAL_MS, Scores.INTERVAL_MS);
        }

        @Override
        public void processElement(StreamRecord<byte[]> record) {
            scores.add(record.getValue());
        }

        @Override
        public void close() throws Exception {
            scores.close();
            super.close();
        }
    }

    public static void main(String[] words) throws Exception {
        Configuration configuration = new Configuration();
        configuration.set(PipelineOptions.OBJECT_REUSE, true);
        // Else its blob server and its web interface listen on every address.
        configuration.set(RestOptions.BIND_ADDRESS, "127.0.0.1");
        configuration.set(JobManagerOptions.BIND_HOST, "127.0.0.1");
        configuration.set(TaskManagerOptions.BIND_HOST, "127.0.0.1");
        StreamExecutionEnvironment environment = StreamExecutionEnvironment.createLocalEnvironment(2, configuration);
        KafkaSource<byte[]> source = KafkaSource.<byte[]>builder()
                .setBootstrapServers(words[0])
                .setTopics(words[1])
                .setGroupId(words[4])
                .setStartingOffsets(OffsetsInitializer.earliest())
                .setProperty("max.poll.records", "10000")
                .setProperty("max.partition.fetch.bytes", Integer.toString(4 << 20))
                .setDeserializer(new Bytes())
                .build();
        TypeInformation<byte[]> bytes = PrimitiveArrayTypeInfo.BYTE_PRIMITIVE_ARRAY_TYPE_INFO;
        environment.fromSource(source, WatermarkStrategy.noWatermarks(), "events")
                .transform("tally", bytes, new Tally())
                .global()
                .transform("publish", bytes, new Publish(words[2], Integer.parseInt(words[3])))
                .setParallelism(1)
                .sinkTo(new DiscardingSink<>())
                .setParallelism(1);
        environment.execute(words[4]);
    }
}
