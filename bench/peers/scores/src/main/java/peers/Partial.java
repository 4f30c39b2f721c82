package peers;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.HashMap;
import java.util.Map;

/**
 * What one task counted since the last interval, by touchpoint, stage and pane of five seconds (the 5m window's; twelve are one of
 * the 1h window's). Counting before the events are brought together is what keeps them from going through Kafka a second time.
 */
public final class Partial {
    static final long PANE_MS = 5000;

    private record Cell(String touchpoint, String stage, long pane) {
    }

    /** Takes the counters of one touchpoint, stage (empty: none) and pane. */
    interface Reader {
        void cell(String touchpoint, String stage, long pane, int[] counters);
    }

    private final Map<Cell, int[]> cells = new HashMap<>();
    private long newestMs = Long.MIN_VALUE;
    private long records;

    public boolean isEmpty() {
        return records == 0;
    }

    /** Counts the record as read, and the event if there is one in it. */
    public void add(Event event, boolean isEvent) {
        records++;
        if (!isEvent) {
            return;
        }
        newestMs = Math.max(newestMs, event.timeMs);
        Cell cell = new Cell(event.touchpoint, event.stage == null ? "" : event.stage, Math.floorDiv(event.timeMs, PANE_MS));
        Counters.add(cells.computeIfAbsent(cell, key -> new int[Counters.COUNT]), event);
    }

    /** As bytes, to be sent on; and empty again. */
    public byte[] take() {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream(64 + 64 * cells.size());
        try (DataOutputStream out = new DataOutputStream(bytes)) {
            out.writeLong(records);
            out.writeLong(newestMs);
            out.writeInt(cells.size());
            for (Map.Entry<Cell, int[]> entry : cells.entrySet()) {
                out.writeUTF(entry.getKey().touchpoint);
                out.writeUTF(entry.getKey().stage);
                out.writeLong(entry.getKey().pane);
                for (int counter : entry.getValue()) {
                    out.writeInt(counter);
                }
            }
        } catch (IOException fault) {
            throw new UncheckedIOException(fault);
        }
        cells.clear();
        records = 0;
        return bytes.toByteArray();
    }

    /** Reads what take() wrote; returns {records, newest event's time}. */
    static long[] read(byte[] bytes, Reader reader) {
        try (DataInputStream in = new DataInputStream(new ByteArrayInputStream(bytes))) {
            long[] head = {in.readLong(), in.readLong()};
            for (int left = in.readInt(); left > 0; left--) {
                String touchpoint = in.readUTF();
                String stage = in.readUTF();
                long pane = in.readLong();
                int[] counters = new int[Counters.COUNT];
                for (int i = 0; i < counters.length; i++) {
                    counters[i] = in.readInt();
                }
                reader.cell(touchpoint, stage, pane, counters);
            }
            return head;
        } catch (IOException fault) {
            throw new UncheckedIOException(fault);
        }
    }
}
