package peers;

import java.util.Arrays;

/** One rolling window of one subject: a ring of 60 panes. */
final class Window {
    static final int PANES = 60;

    private final int[][] counters = new int[PANES][];
    private final long[] panes = new long[PANES];
    private final int[] total = new int[Counters.COUNT];
    private final int[] published = new int[Counters.COUNT];

    Window() {
        Arrays.fill(panes, Long.MIN_VALUE);
    }

    /** pane: in this window's own length. What is older than the ring is late and does not count. */
    void add(long pane, int[] delta) {
        int slot = (int) Math.floorMod(pane, (long) PANES);
        if (pane < panes[slot]) {
            return;
        }
        if (pane > panes[slot]) {
            panes[slot] = pane;
            counters[slot] = new int[Counters.COUNT];
        }
        Counters.add(counters[slot], delta);
    }

    /** The sums of the 60 panes up to the newest; the array is the window's own. */
    int[] total(long newestPane) {
        Arrays.fill(total, 0);
        for (int slot = 0; slot < PANES; slot++) {
            if (panes[slot] > newestPane - PANES && panes[slot] <= newestPane) {
                Counters.add(total, counters[slot]);
            }
        }
        return total;
    }

    /** Whether the last total() is not the one that was published; notes that it is, now. */
    boolean publish() {
        if (Arrays.equals(total, published)) {
            return false;
        }
        System.arraycopy(total, 0, published, 0, total.length);
        return true;
    }
}
