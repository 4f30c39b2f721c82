// What the fields are called and how their values are written; whether a target is met. Values come as delightd scored them.

const LABELS = {
  nps: "NPS", csat: "CSAT", csat_mean: "CSAT, mean", ces: "CES", ces_mean: "CES, mean", delight: "Delight",
  expectation_mean: "Net disconfirmation", kano_better: "Kano better", kano_worse: "Kano worse", abandonment: "Abandonment",
  service_level: "Service level", asa_ms: "Speed of answer", wait_p50_ms: "Wait, median", wait_p95_ms: "Wait, 95th percentile",
  aht_ms: "Handling, mean", handle_p50_ms: "Handling, median", handle_p95_ms: "Handling, 95th percentile",
  fcr: "First contact resolution", fcr_net: "Net first contact resolution", complaint_rate: "Complaints per 1000",
  recovery_rate: "Service recovery", recovery_mean_ms: "Time to close, mean",
};
const SHORT = { wait_p95_ms: "Wait p95", fcr: "FCR", complaint_rate: "Complaints ‰", events: "Events" };

let meta = null;
let byName = new Map();

export function setMeta(fresh) {
  meta = fresh;
  byName = new Map(fresh.fields.map((field) => [field.name, field]));
}

export const field = (name) => byName.get(name);
export const measures = () => meta.fields.filter((each) => each.measure);
export const label = (name) => LABELS[name] ?? name.replaceAll("_", " ");
export const shortLabel = (name) => SHORT[name] ?? label(name);
export const targetOf = (name) => meta.targets[name];

/** The fields that belong to a measure: itself, its interval, what stands behind it. */
export function family(name) {
  const { low, high, n } = field(name);
  return [name, ...(low === undefined ? [] : [low, high]), ...n];
}

/** How many answers or contacts stand behind a measure; 0: none. */
export function answersBehind(name, scores) {
  return field(name).n.reduce((sum, n) => sum + (scores[n] ?? 0), 0);
}

const grouped = new Intl.NumberFormat("en-US");
export const count = (number) => grouped.format(number).replace("-", "−");
const fixed = (number, digits) => {
  const text = number.toFixed(digits);
  return (Number(text) === 0 ? text.replace("-", "") : text).replace("-", "−");
};

export function duration(ms) {
  const two = (number) => String(Math.floor(number)).padStart(2, "0");
  if (ms < 1000) return `${fixed(ms, 0)} ms`;
  if (ms < 60000) return `${fixed(Math.floor(ms / 100) / 10, 1)} s`;
  if (ms < 3600000) return `${Math.floor(ms / 60000)}m ${two((ms % 60000) / 1000)}s`;
  return `${Math.floor(ms / 3600000)}h ${two((ms % 3600000) / 60000)}m`;
}

/** A value for people; "–": none. */
export function format(name, value) {
  const unit = field(name).unit;
  if (value === undefined || value === null) return "–";
  if (typeof value === "string") return value.replaceAll("_", " ");
  if (unit === "ms") return duration(value);
  if (unit === "") return count(value);
  if (unit === "0..1" || unit === "-1..0" || unit.startsWith("1..")) return fixed(value, 2);
  return fixed(value, 1);
}

export const unitSign = (name) => (field(name).unit === "%" ? " %" : "");

/** Both ends of a measure's interval, for people; "": it has none. */
export function interval(name, scores) {
  const { low, high } = field(name);
  if (low === undefined || scores[low] === undefined) return "";
  return `${format(low, scores[low])} to ${format(high, scores[high])}`;
}

/** The ends of the scale on which a measure is drawn; without one in its unit, from 0 to the largest of the values. */
export function scaleOf(name, values) {
  const unit = field(name).unit;
  const dots = unit.indexOf("..");
  if (unit === "%") return [0, 100];
  if (dots < 0) return [0, Math.max(1, targetOf(name) ?? 0, ...values)];
  return [Number(unit.slice(0, dots)), Number(unit.slice(dots + 2)) || meta.csat_max];
}

const VERDICTS = {
  met: { state: "met", mark: "✓", text: "target met" },
  missed: { state: "missed", mark: "▼", text: "target missed" },
  open: { state: "open", mark: "≈", text: "the interval holds the target" },
  few: { state: "few", mark: "○", text: "too few answers to tell" },
  none: { state: "none", mark: "", text: "" },
};

/** How a value stands to the target: by its interval, so that chance alone turns nothing red. */
export function verdict(name, scores) {
  const { better, low, high } = field(name);
  const target = targetOf(name);
  const value = scores?.[name];
  if (target === undefined || value === undefined || better === "neither") return VERDICTS.none;
  if (answersBehind(name, scores) < meta.rank_min_n) return VERDICTS.few;
  const sign = better === "higher" ? 1 : -1;
  const ends = low === undefined || scores[low] === undefined ? [value, value] : [scores[low], scores[high]];
  const beyond = ends.map((end) => sign * (end - target));
  if (Math.min(...beyond) >= 0) return VERDICTS.met;
  return Math.max(...beyond) < 0 ? VERDICTS.missed : VERDICTS.open;
}

/** Sorts the worse of two values first; nothing last. */
export function worseFirst(name, a, b) {
  if (a === undefined || b === undefined) return (a === undefined) - (b === undefined);
  return field(name).better === "lower" ? b - a : a - b;
}

export const enoughAnswers = (name, scores) => answersBehind(name, scores) >= meta.rank_min_n;
