"""Which runs there are, in which order, and what each measures."""

from dataclasses import dataclass, field

from peers import NAMES

CANDIDATES = ["no-op consumer", "memory mode", "kafka mode", *NAMES]
# figure 8: mode, and the interval of batches and publishing
LATENCY = {
    "memory mode, 5 ms": ("memory", "5ms"),
    "kafka mode, 20 ms": ("kafka", "20ms"),
    "memory mode, defaults": ("memory", None),
    "kafka mode, defaults": ("kafka", None),
}
# figure: {variant: candidate, the topic's traffic, sections of the configuration}
PAIRS = {
    "5": {"100 touchpoints": ("memory mode", "live", {}), "100,000 touchpoints": ("memory mode", "many", {})},
    "6": {"in order": ("memory mode", "live", {}), "20 % late": ("memory mode", "late", {})},
    "7": {
        "without checkpoints": ("kafka mode", "live", {"checkpoint_interval": "10m"}),
        "checkpoints every 1 s": ("kafka mode", "live", {"checkpoint_interval": "1s"}),
    },
    "re-read": {name: (name, "hour", {}) for name in ("no-op consumer", "memory mode", "kafka mode")},
    "11": {"dedupe off": ("memory mode", "live", {}), "dedupe.records 100000": ("memory mode", "live", {"dedupe": {"records": 100000}})},
}
FIGURES = ["candidates", *PAIRS, "8", "10"]
# 1, 2 and 4 are read off the candidates' runs.
ALIASES = {"1": "candidates", "2": "candidates", "4": "candidates"}


@dataclass
class Run:
    figure: str
    variant: str
    number: int  # of the round
    parameters: dict = field(default_factory=dict)
    seconds: float = 10  # that it takes, until one was timed

    def title(self):
        figure = f"figure {self.figure}" if self.figure.isdigit() else self.figure
        return f"{figure}, round {self.number + 1}: {self.variant}"


def chosen_figures(text):
    wanted = [ALIASES.get(word, word) for word in text.split(",")] if text else FIGURES
    for word in wanted:
        if word not in FIGURES:
            raise SystemExit(f"run.sh: no figure '{word}': {', '.join([*ALIASES, *FIGURES])}")
    return [figure for figure in FIGURES if figure in wanted]


def chosen_candidates(text):
    wanted = text.split(",") if text else CANDIDATES
    for word in wanted:
        if word not in CANDIDATES:
            raise SystemExit(f"run.sh: no candidate '{word}': {', '.join(CANDIDATES)}")
    return [name for name in CANDIDATES if name in wanted]


def in_turn(variants, number):
    """Every second round the other way round, so that whatever drifts falls on all."""
    return variants if number % 2 == 0 else list(reversed(variants))


def plan(arguments):
    """The runs in their order: first whether all count right, then round by round, candidates in turn."""
    cores = {"cores": [arguments.broker_cores, arguments.candidate_cores]}
    figures, runs = chosen_figures(arguments.figures), []
    if "candidates" in figures:
        names = chosen_candidates(arguments.candidates)
        runs += [Run("check", name, 0, {"events": arguments.check_events}, 20) for name in names if name != "no-op consumer"]
        sizes = {"events": arguments.events, "peer_events": arguments.peer_events, **cores}
        runs += [Run("candidates", name, number, sizes) for number in range(arguments.rounds) for name in in_turn(names, number)]
    for number in range(arguments.rounds):
        for figure in figures:
            if figure in PAIRS:
                parameters = {"events": arguments.events, **cores}
                runs += [Run(figure, variant, number, parameters) for variant in in_turn(list(PAIRS[figure]), number)]
            elif figure == "10":
                runs.append(Run("10", "memory mode", number, {"events": arguments.events, **cores}))
    if "8" in figures:
        if arguments.rate is None:
            runs += [Run("8", f"top rate, {mode} mode", 0, {"events": arguments.events, **cores}) for mode in ("memory", "kafka")]
        parameters = {"seconds": arguments.seconds, "rate": arguments.rate, **cores}
        for number in range(arguments.latency_rounds):
            runs += [Run("8", variant, number, parameters, arguments.seconds + 15) for variant in in_turn(list(LATENCY), number)]
    return runs


def half_of_top(records, mode):
    rates = [r["result"]["rate"] for r in records if r["figure"] == "8" and r["variant"] == f"top rate, {mode} mode"]
    return round(rates[-1] / 2)


def execute(bed, run, records):
    """records: of the plan's runs that are done already. With the result stands how far from each other the cores were, at most."""
    with bed.distances() as distances:
        result = _execute(bed, run, records)
    return {**result, "distance": max(distances)}


def _execute(bed, run, records):
    import live  # Needs the harness's libraries, which --help and --report do without.

    given = run.parameters
    if run.figure == "check":
        return bed.reread(run.variant, "check", given["events"], verify=True)
    if run.figure == "candidates":
        return bed.reread(run.variant, "live", given["events"], target=min(given["events"], given["peer_events"]))
    if run.figure in PAIRS:
        candidate, traffic, extra = PAIRS[run.figure][run.variant]
        return bed.reread(candidate, traffic, given["events"], **extra)
    if run.figure == "10":
        return live.redis_commands(bed, given["events"])
    if run.variant.startswith("top rate"):
        return live.top_rate(bed, run.variant.split()[2], given["events"])
    mode, interval = LATENCY[run.variant]
    return live.latency(bed, mode, interval, given["rate"] or half_of_top(records, mode), given["seconds"])
