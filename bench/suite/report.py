"""From results to a Markdown table and an SVG plot. Pure: takes records, returns text."""

import statistics
from xml.sax.saxutils import escape

NOOP, MEMORY, KAFKA = "no-op consumer", "memory mode", "kafka mode"
NEAR = 3  # Times the least distance of the two cores: they share a cache as long as it is no more.
BUSY = 0.9  # Below it the no-op consumer waits, and the broker is measured.


def cell(values, form="%.2f"):
    """median (minimum … maximum)"""
    if not values:
        return "not measured"
    if len(values) == 1:
        return form % values[0]
    return f"{form % statistics.median(values)} ({form % min(values)} … {form % max(values)})"


class Figures:
    """The results by figure, variant and round; of a repeated round the last."""

    def __init__(self, records):
        self.by_place = {(r["figure"], r["variant"], r["round"]): r["result"] for r in records}

    def variants(self, figure):
        return list(dict.fromkeys(variant for found, variant, _ in self.by_place if found == figure))

    def by_round(self):
        return sorted(self.by_place.items(), key=lambda item: item[0][2])

    def values(self, figure, variant, value):
        """One number per round."""
        return [value(result) for (f, v, _), result in self.by_round() if (f, v) == (figure, variant)]

    def ratios(self, figure, mine, other, value, other_value=None):
        """mine / other, round by round."""
        other_value = other_value or value
        found = []
        for (f, v, number), result in self.by_round():
            beside = self.by_place.get((figure, other, number))
            if (f, v) == (figure, mine) and beside is not None:
                found.append(value(result) / other_value(beside))
        return found


def rate(result):
    return result["records"] / result["wall"]


def warm_rate(result):
    return result["warm_records"] / result["warm_wall"] if "warm_records" in result else rate(result)


def cost(result):
    """Processor seconds per million events, warm: of delightd from when it reads, of the no-op consumer from the first record on, of
    the others from the first quarter on."""
    if "warm_records" in result:
        return 1e6 * result["warm_processor"] / result["warm_records"]
    return whole_cost(result)


def whole_cost(result):
    return 1e6 * result["processor"] / result["records"]


def candidates(figures):
    names = [name for name in (NOOP, MEMORY, KAFKA) if name in figures.variants("candidates")]
    others = [name for name in figures.variants("candidates") if name not in names]
    return names + sorted(others, key=lambda name: statistics.median(figures.values("candidates", name, cost)))


def table(head, rows):
    return "\n".join(["| " + " | ".join(head) + " |", "|" + " --- |" * len(head), *("| " + " | ".join(row) + " |" for row in rows)])


def candidate_table(figures, absent):
    rows = []
    for name in candidates(figures):
        equal = figures.values("check", name, lambda result: result["equal"])
        rows.append([
            name,
            cell(figures.values("candidates", name, rate), "%.0f"),
            cell(figures.values("candidates", name, whole_cost)),
            cell(figures.values("candidates", name, warm_rate), "%.0f"),
            cell(figures.values("candidates", name, cost)),
            cell(figures.values("candidates", name, lambda result: 1e6 * result["broker_processor"] / result["records"])),
            cell(figures.ratios("candidates", name, NOOP, warm_rate)),
            cell(figures.ratios("candidates", name, MEMORY, cost)),
            {(): "", (True,): "yes"}.get(tuple(equal), "**no**"),
        ])  # fmt: skip
    head = ["candidate", "events/s, whole run", "CPU s per million", "events/s, warm", "CPU s per million, warm",
            "broker's CPU s per million", "events/s / no-op", "CPU per event / memory mode", "equal to the recount"]  # fmt: skip
    lines = [table(head, rows)]
    lines += [f"\nLeft out: {name}: {reason}" for name, reason in absent.items()]
    busiest = figures.values("candidates", NOOP, lambda result: result["busiest"])
    if busiest:
        lines.append(f"\nBusiest thread of the no-op consumer: {cell(busiest)} of the time"
                     + ("." if min(busiest) >= BUSY else f". **Below {BUSY}: the broker is being measured.**"))  # fmt: skip
    return "\n".join(lines)


def verdict(values, bound, at_least=True):
    median = statistics.median(values)
    return "yes" if (median >= bound if at_least else median <= bound) else "no"


def latency_row(figures, variant):
    bounds = {"memory mode, 5 ms": (10, 30, 60), "kafka mode, 20 ms": (60, 200, 400)}.get(variant, ())
    beside = cell(figures.values("8", variant, lambda result: result["reached"]), "%.0f")
    shares = ("p50", "p99", "p99.9")
    measured = [figures.values("8", variant, lambda result, share=share: result[share]) for share in shares]
    reached = {verdict(values, bound, False) for values, bound in zip(measured, bounds)}
    return ["8", f"event to Redis at {beside} events/s, {variant}: {' / '.join(shares)}",
            " / ".join(cell(values, "%.0f") for values in measured) + " ms",
            " / ".join(str(bound) for bound in bounds) + " ms" if bounds else "",
            "no" if "no" in reached else "yes" if reached else ""]  # fmt: skip


def stage_table(figures):
    """Where the time of figure 8 goes; the medians of the rounds. None: no run has told."""
    found = {variant: figures.values("8", variant, lambda result: result) for variant in figures.variants("8")}
    found = {variant: results for variant, results in found.items() if "stages" in results[-1]}
    if not found:
        return None

    def median(values):
        known = [value for value in values if value is not None]
        return f"{statistics.median(known):.4g}" if known else "-"

    names = list(next(iter(found.values()))[-1]["stages"])
    rows = []
    for variant, results in found.items():
        row = [" / ".join(median([result["stages"][name][share] for result in results]) for share in ("p50", "p99")) for name in names]
        cores = [f"{name} {median([result['cores'][name] for result in results])}" for name in results[-1]["cores"]]
        rows.append([variant, *row, ", ".join(cores)])
    return table(["figure 8, ms: p50 / p99", *names, "cores in use"], rows)


def figure_rows(figures):
    """Rows of the issue's table: number, figure, measured, to reach, reached."""

    def add(number, what, values, bound, at_least=True, form="%.2f", unit=""):
        if values:
            goal = f"{'≥' if at_least else '≤'} {bound:g}{unit}"
            rows.append([number, what, cell(values, form) + unit, goal, verdict(values, bound, at_least)])

    rows = []
    pairs = zip(figures.values("candidates", MEMORY, cost), figures.values("candidates", NOOP, cost))
    add("1", "CPU added per event, memory mode", [1000 * (mine - limit) for mine, limit in pairs], 150, False, "%.0f", " ns")
    for number, name, bound in (("1", MEMORY, 0.85), ("2", KAFKA, 0.80)):
        what = f"events/s, {name} / no-op consumer"
        add(number, f"{what}, from when it reads", figures.ratios("candidates", name, NOOP, warm_rate), bound)
        add(number, f"{what}, its start included", figures.ratios("candidates", name, NOOP, rate), bound)
    for name in (MEMORY, KAFKA):
        ratios = figures.ratios("re-read", name, NOOP, warm_rate)
        if ratios:
            rows.append(["", f"events/s, {name} / no-op consumer, event times over an hour", cell(ratios), "", ""])
    bounds = {"kafka-streams": 15, "kafka-streams (processor)": 15, "flink": 15, "redpanda-connect": 8, "redpanda-connect (plugin)": 8,
              "quixstreams": 50}  # fmt: skip
    for name, bound in bounds.items():
        add("4", f"events per CPU second, memory mode / {name}", figures.ratios("candidates", name, MEMORY, cost), bound, form="%.1f")
    for number, mine, other, bound in (
        ("5", "100,000 touchpoints", "100 touchpoints", 0.80),
        ("6", "20 % late", "in order", 0.95),
        ("7", "checkpoints every 1 s", "without checkpoints", 0.97),
    ):
        add(number, f"events/s, {mine} / {other}", figures.ratios(number, mine, other, warm_rate), bound)
    rows += [latency_row(figures, variant) for variant in figures.variants("8") if not variant.startswith("top rate")]
    reached = cell(figures.values("10", MEMORY, lambda result: result["rate"]), "%.0f")
    per_command = figures.values("10", MEMORY, lambda result: result["events_per_command"])
    add("10", f"events per Redis command, at {reached} events/s", per_command, 100, form="%.0f")
    add("11", "events/s, dedupe.records 100000 / off", figures.ratios("11", "dedupe.records 100000", "dedupe off", warm_rate), 0.90)
    return rows


def distance(record):
    """0: not measured, or there is but one core."""
    return record["result"].get("distance", 0)


def apart(records):
    """Those of runs whose cores were near each other from beginning to end, and the others."""
    least = min((distance(r) for r in records if distance(r)), default=0)
    return [r for r in records if distance(r) <= NEAR * least], [r for r in records if distance(r) > NEAR * least]


def tables(records, absent):
    figures = Figures(records)
    parts = []
    if figures.variants("candidates"):
        parts.append(candidate_table(figures, absent))
    rows = figure_rows(figures)
    if rows:
        parts.append(table(["#", "figure", "measured", "to reach", "reached"], rows))
    return parts


def markdown(records, absent):
    near, far = apart(records)
    parts = tables(records, absent)
    if far:
        known = [sorted(distance(r) for r in some if distance(r)) for some in (near, far)]
        (least, most), (far_least, far_most) = ((some[0], some[-1]) for some in known)
        parts += [f"**The two cores were not always equally near each other**: a cache line went there and back in {least} to {most} ns in "
                  f"{len(known[0])} runs, and in {far_least} to {far_most} ns in {len(known[1])}. The former alone:",
                  *tables(near, absent)]  # fmt: skip
    stages = stage_table(Figures(records))
    if stages:
        parts.append(stages)
    loads = [record["load"] for record in records]
    sizes = sorted({f"{name} {value}" for record in records for name, value in record["parameters"].items() if "events" in name})
    parts.append(f"Commit {', '.join(sorted({r['commit'] for r in records}))}; {', '.join(sizes)}; "
                 f"load average {min(loads):.1f} to {max(loads):.1f}. Medians (minimum … maximum).")  # fmt: skip
    return "\n\n".join(parts)


def bars(title, bars_of, top, width):
    """A panel of horizontal bars: (name, values), the median with a whisker from minimum to maximum."""
    left, right, step = 180, 90, 26
    most = max(max(values) for _, values in bars_of)
    scale = (width - left - right) / most
    lines = [f'<text x="0" y="{top}" font-weight="bold">{escape(title)}</text>']
    for row, (name, values) in enumerate(bars_of):
        y, middle = top + 12 + row * step, statistics.median(values)
        colour = {NOOP: "#999999", MEMORY: "#1f6f8b", KAFKA: "#1f6f8b"}.get(name, "#d08c60")
        lines += [
            f'<text x="{left - 8}" y="{y + 13}" text-anchor="end">{escape(name)}</text>',
            f'<rect x="{left}" y="{y}" width="{middle * scale:.1f}" height="18" fill="{colour}"/>',
            f'<path d="M{left + min(values) * scale:.1f} {y + 9}H{left + max(values) * scale:.1f}" stroke="black"/>',
            f'<text x="{left + max(values) * scale + 6:.1f}" y="{y + 13}">{middle:,.0f}</text>',
        ]
    return lines, top + 12 + len(bars_of) * step


def plot(records):
    """Events per wall second and per processor second of each candidate, as SVG; empty axes where nothing was measured."""
    figures, width, lines, y = Figures(records), 720, [], 20
    names = candidates(figures)
    for title, value in (
        ("events per wall second, warm", warm_rate),
        ("events per processor second, warm", lambda result: 1e6 / cost(result)),
    ):
        panel = [(name, figures.values("candidates", name, value)) for name in names]
        if panel:
            drawn, y = bars(title, panel, y, width)
            lines, y = lines + drawn, y + 30
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{y}" font-family="sans-serif" font-size="12">'
    return "\n".join([head, '<rect width="100%" height="100%" fill="white"/>', *lines, "</svg>"]) + "\n"
