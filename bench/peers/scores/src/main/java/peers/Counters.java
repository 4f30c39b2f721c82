package peers;

/** What is counted of a pane or a window, as positions in an int[]: sums only, so that panes add up. */
final class Counters {
    static final int EVENTS = 0, PROMOTERS = 1, PASSIVES = 2, DETRACTORS = 3, CSAT_N = 4, CSAT_TOP = 5, CSAT_SUM = 6, COUNT = 7;

    private Counters() {
    }

    static void add(int[] to, int[] from) {
        for (int i = 0; i < COUNT; i++) {
            to[i] += from[i];
        }
    }

    static void add(int[] to, Event event) {
        int sign = event.isRetraction ? -1 : 1;
        to[EVENTS] += sign;
        if (event.nps >= 0) {
            to[event.nps >= 9 ? PROMOTERS : event.nps >= 7 ? PASSIVES : DETRACTORS] += sign;
        }
        if (event.csat >= 0) {
            to[CSAT_N] += sign;
            to[CSAT_TOP] += event.csat >= 4 ? sign : 0;
            to[CSAT_SUM] += sign * event.csat;
        }
    }
}
