package peers;

import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
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
    private final Map<String, Map<Long, int[]>> panes = new HashMap<>();
    private final RedisClient redis;
    private final AtomicLong newestMs;
    private long newestPublishedMs = Long.MIN_VALUE;
    private long records;

    public Scores(String host, int port) {
        this(host, port, new AtomicLong(Long.MIN_VALUE));
    }

    /** newestMs: the newest event's time, where several tasks share it: every window ends there. */
    public Scores(String host, int port, AtomicLong newestMs) {
        redis = RedisClient.builder().hostAndPort(host, port).build();
        this.newestMs = newestMs;
    }

    /** Adds what a task counted. */
    public void add(byte[] partial) {
        long[] head = Partial.read(partial, this::cell);
        records += head[0];
        newestMs.accumulateAndGet(head[1], Math::max);
    }

    /** Takes a pane's counters as they stand now: what was taken of it before is replaced. Of touchpoints, they tell the records. */
    public void set(String subject, long timeMs, int[] counters) {
        int[] before = panes.computeIfAbsent(subject, key -> new HashMap<>()).put(timeMs, counters);
        int[] delta = counters.clone();
        for (int i = 0; before != null && i < delta.length; i++) {
            delta[i] -= before[i];
        }
        subject(subject, Math.floorDiv(timeMs, Partial.PANE_MS), delta);
        records += subject.startsWith("touchpoint:") ? delta[Counters.EVENTS] : 0;
        newestMs.accumulateAndGet(timeMs, Math::max);
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

    /** Writes what changed since the last call, in one pipeline; then how many records more are in it. */
    public void publish() {
        long newest = newestMs.get();
        if (records == 0 && newest == newestPublishedMs) {
            return;
        }
        try (AbstractPipeline pipeline = redis.pipelined()) {
            for (Map.Entry<String, Window[]> entry : subjects.entrySet()) {
                for (int i = 0; i < NAMES.length; i++) {
                    Window window = entry.getValue()[i];
                    int[] total = window.total(Math.floorDiv(newest, WINDOW_MS[i] / Window.PANES));
                    if (window.publish()) {
                        write(pipeline, "cx:{" + entry.getKey() + "}:" + NAMES[i], total, newest);
                    }
                }
            }
            pipeline.incrBy("bench:records", records);
            pipeline.sync();
        }
        records = 0;
        newestPublishedMs = newest;
    }

    private void write(AbstractPipeline pipeline, String key, int[] total, long newest) {
        if (total[Counters.EVENTS] == 0) {
            pipeline.del(key);
            return;
        }
        Map<String, String> fields = new HashMap<>();
        fields.put("as_of", Long.toString(newest));
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
