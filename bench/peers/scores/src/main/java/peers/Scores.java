package peers;

import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import redis.clients.jedis.AbstractPipeline;
import redis.clients.jedis.RedisClient;

/**
 * The windows of every touchpoint and stage, and their scores in Redis, under delightd's own keys and field names so that
 * delight-load can compare them. One thread.
 */
public final class Scores implements AutoCloseable {
    public static final long INTERVAL_MS = 250;

    private static final String[] NAMES = {"5m", "1h"};
    private static final long[] WINDOW_MS = {300_000, 3_600_000};

    private final Map<String, Window[]> subjects = new HashMap<>();
    private final RedisClient redis;
    private long newestMs = Long.MIN_VALUE;
    private long records;
    private long recordsPublished;

    public Scores(String host, int port) {
        redis = RedisClient.builder().hostAndPort(host, port).build();
    }

    public void add(byte[] partial) {
        long[] head = Partial.read(partial, this::cell);
        records += head[0];
        newestMs = Math.max(newestMs, head[1]);
    }

    private void cell(String touchpoint, String stage, long pane, int[] counters) {
        subject("touchpoint:" + touchpoint, pane, counters);
        if (!stage.isEmpty()) {
            subject("stage:" + stage, pane, counters);
        }
    }

    private void subject(String name, long pane, int[] counters) {
        Window[] windows = subjects.computeIfAbsent(name, key -> new Window[] {new Window(), new Window()});
        for (int i = 0; i < windows.length; i++) {
            windows[i].add(Math.floorDiv(pane * Partial.PANE_MS, WINDOW_MS[i] / Window.PANES), counters);
        }
    }

    /** Writes what changed since the last call, in one pipeline; then how many records are in it. */
    public void publish() {
        if (records == recordsPublished) {
            return;
        }
        try (AbstractPipeline pipeline = redis.pipelined()) {
            for (Map.Entry<String, Window[]> entry : subjects.entrySet()) {
                for (int i = 0; i < NAMES.length; i++) {
                    Window window = entry.getValue()[i];
                    int[] total = window.total(Math.floorDiv(newestMs, WINDOW_MS[i] / Window.PANES));
                    if (window.publish()) {
                        write(pipeline, "cx:{" + entry.getKey() + "}:" + NAMES[i], total);
                    }
                }
            }
            pipeline.set("bench:records", Long.toString(records));
            pipeline.sync();
        }
        recordsPublished = records;
    }

    private void write(AbstractPipeline pipeline, String key, int[] total) {
        if (total[Counters.EVENTS] == 0) {
            pipeline.del(key);
            return;
        }
        Map<String, String> fields = new HashMap<>();
        fields.put("as_of", Long.toString(newestMs));
        fields.put("events", Integer.toString(total[Counters.EVENTS]));
        int promoters = total[Counters.PROMOTERS], detractors = total[Counters.DETRACTORS];
        int n = promoters + total[Counters.PASSIVES] + detractors;
        if (n > 0) {
            fields.put("nps_n", Integer.toString(n));
            fields.put("nps", decimal(100.0 * (promoters - detractors) / n));
            fields.put("promoters", Integer.toString(promoters));
            fields.put("passives", Integer.toString(total[Counters.PASSIVES]));
            fields.put("detractors", Integer.toString(detractors));
        }
        int csatN = total[Counters.CSAT_N];
        if (n == 0 || csatN == 0) {
            pipeline.del(key); // The last answer may have left the window.
        }
        if (csatN > 0) {
            fields.put("csat_n", Integer.toString(csatN));
            fields.put("csat", decimal(100.0 * total[Counters.CSAT_TOP] / csatN));
            fields.put("csat_mean", decimal((double) total[Counters.CSAT_SUM] / csatN));
        }
        pipeline.hset(key, fields);
    }

    private static String decimal(double value) {
        return String.format(Locale.ROOT, "%.4f", value);
    }

    @Override
    public void close() {
        redis.close();
    }
}
