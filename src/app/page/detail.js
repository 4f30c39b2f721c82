// One subject: its score, trend, distribution of answers, waiting and handling times, and every field there is.

import { $, el, setAttribute, setHidden, setText } from "./dom.js";
import { answersBehind, count, field, format, interval, label, scaleOf, targetOf, unitSign } from "./fields.js";
import { decode, parse } from "./names.js";
import { choice } from "./choice.js";
import { drawScore, makeScore } from "./score.js";
import { drawTrack, makeTrack } from "./track.js";
import { axis, colour, makeChart, plain } from "./charts.js";

const KINDS = { touchpoint: "Touchpoint", journey: "Journey", journey_stage: "Stage", stage: "Stage of all journeys", feature: "Feature", all: "Everything" };
const ITEMS = {
  nps: { title: "Recommendation, 0 to 10", first: 0, score: "nps", tone: (answer) => (answer >= 9 ? "good" : answer >= 7 ? "" : "bad") },
  csat: { title: "Satisfaction", first: 1, score: "csat", tone: (answer, meta) => (answer >= meta.csat_top ? "good" : "") },
  ces: { title: "Ease, 1 to 7", first: 1, score: "ces", tone: (answer) => (answer >= 5 ? "good" : "") },
  expectation: { title: "Against expectation, 1 to 5", first: 1, score: "delight", tone: (answer) => (answer === 5 ? "good" : "") },
};
const TIMES = ["wait_p50_ms", "wait_p95_ms", "asa_ms", "service_level", "abandonment", "handle_p50_ms", "handle_p95_ms", "aht_ms"];

let chart = null;
let lines = new Map(); // the scores at the top: by measure

/* ---- Scores ---- */

function makeLine(name) {
  const parts = { ...makeScore(), note: el("span", { className: "note" }), track: makeTrack() };
  const element = el("div", { className: "score-line" }, el("span", { className: "label" }, label(name)),
    el("span", { className: "big" }, parts.value, parts.mark, parts.says), parts.track.element, parts.note);
  element.dataset.measure = name;
  return { element, parts };
}

/** The measure of the page, and NPS whatever it is. */
function drawScores(scores) {
  const names = [...new Set([choice.measure, "nps"])];
  if (names.join() !== [...lines.keys()].join()) {
    lines = new Map(names.map((name) => [name, makeLine(name)]));
    $("detail-score").replaceChildren(...[...lines.values()].map((line) => line.element));
  }
  for (const [name, { element, parts }] of lines) {
    const target = targetOf(name), ends = interval(name, scores);
    setAttribute(element, "data-verdict", drawScore(parts, name, scores));
    setText(parts.note, [ends === "" ? "" : `95 %: ${ends}`, `n ${count(answersBehind(name, scores))}`,
      target === undefined ? "" : `target ${format(name, target)}`].filter(Boolean).join(" · "));
    drawTrack(parts.track, name, scores, scaleOf(name, [scores[name] ?? 0]));
  }
}

function drawPairs(list, names, scores) {
  const known = names.filter((name) => scores[name] !== undefined);
  const key = known.join();
  if (list.dataset.names !== key) {
    list.dataset.names = key;
    list.replaceChildren(...known.map((name) => el("div", {}, el("dt", { title: field(name).help }, label(name)), el("dd"))));
  }
  known.forEach((name, index) => setText(list.children[index].lastChild, format(name, scores[name]) + unitSign(name)));
  return known.length;
}

/* ---- Trend ---- */

const clock = (ms, window_ms) => new Date(ms).toLocaleString([], window_ms > 36 * 3600000 ?
  { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" } : { hour: "2-digit", minute: "2-digit", second: window_ms < 3600000 ? "2-digit" : undefined });

function configure() {
  return {
    data: { labels: [], datasets: [
      { type: "line", label: label(choice.measure), data: [], yAxisID: "y", borderColor: colour("accent"), backgroundColor: colour("accent"),
        borderWidth: 2, pointRadius: 0, pointHoverRadius: 4, spanGaps: true, cubicInterpolationMode: "monotone", order: 1 },
      { type: "line", label: "target", data: [], yAxisID: "y", borderColor: colour("aim"), borderDash: [5, 4], borderWidth: 1.5, pointRadius: 0, order: 2 },
      { type: "bar", label: "n", data: [], yAxisID: "n", backgroundColor: colour("bars"), barPercentage: 1, categoryPercentage: 0.8, order: 3 },
    ] },
    options: {
      ...plain(),
      plugins: { legend: { display: false }, tooltip: { callbacks: {
        label: (item) => ` ${item.dataset.label} ${item.dataset.label === "n" ? count(item.parsed.y) : format(choice.measure, item.parsed.y)}` } } },
      scales: {
        x: axis({ grid: { display: false }, stacked: false }),
        y: axis({ position: "left", ticks: { ...axis().ticks, callback: (value) => format(choice.measure, value) } }),
        n: axis({ position: "right", beginAtZero: true, grid: { display: false }, grace: "200%", ticks: { display: false } }),
      },
    },
  };
}

export function drawTrend(trend) {
  const { value = [], n = [] } = trend?.[choice.measure] ?? {};
  const starts = value.length === 0 ? [] : trend.start;
  const labels = starts.map((start) => clock(start, trend.window_ms));
  chart ??= makeChart($("trend"), configure);
  const [line, aim, bars] = chart.data.datasets;
  line.label = label(choice.measure);
  line.data = value;
  const target = targetOf(choice.measure);
  aim.data = target === undefined ? [] : starts.map(() => target);
  bars.data = n;
  chart.data.labels = labels;
  chart.update("none");
  const known = value.filter((each) => each !== null);
  const shown = (each) => format(choice.measure, each);
  setText($("trend-title"), `Trend of ${label(choice.measure)}`);
  setText($("trend-says"), known.length === 0 ? "Nothing to draw in this window." :
    `${known.length} of 60 panes have a value: from ${shown(Math.min(...known))} to ${shown(Math.max(...known))}, the last one ${shown(known.at(-1))}. Bars: n.`);
  setText($("trend-column"), label(choice.measure));
  if ($("trend-body").closest("details").open)
    $("trend-body").replaceChildren(...starts.map((_, pane) => el("tr", {}, el("th", { scope: "row" }, labels[pane]),
      el("td", { className: "number" }, shown(value[pane])), el("td", { className: "number" }, count(n[pane])))).reverse());
}

/* ---- Answers ---- */

function makeItem(name, answers, meta) {
  const { title, first, tone } = ITEMS[name];
  const bars = answers.map((_, index) => {
    const parts = { bar: el("i"), number: el("b"), share: el("span", { className: "unseen" }) };
    const item = el("li", { className: tone(first + index, meta) }, parts.number, el("span", { className: "column", ariaHidden: "true" }, parts.bar),
      el("span", { className: "answer" }, String(first + index)), parts.share);
    return { item, parts };
  });
  const element = el("figure", {}, el("figcaption", {}, name === "csat" ? `${title}, 1 to ${meta.csat_max}` : title), el("ol", {}, ...bars.map((bar) => bar.item)));
  element.dataset.item = name;
  return { element, bars };
}

let items = new Map();

export function drawAnswers(answers, meta) {
  const names = Object.keys(answers);
  if (names.join() !== [...items.keys()].join()) {
    items = new Map(names.map((name) => [name, makeItem(name, answers[name], meta)]));
    $("answers").replaceChildren(...(names.length === 0 ? [el("p", { className: "hint" }, "No survey answers in this window, or too few to show them.")] :
      [...items.values()].map((item) => item.element)));
  }
  for (const name of names) {
    const most = Math.max(1, ...answers[name]);
    const all = answers[name].reduce((sum, each) => sum + each, 0) || 1;
    answers[name].forEach((each, index) => {
      const { bar, number, share } = items.get(name).bars[index].parts;
      setText(number, count(each));
      setText(share, ` answers, ${Math.round((100 * each) / all)} %`);
      const height = `${Math.max(0, (100 * each) / most).toFixed(0)}%`;
      if (bar.style.height !== height) bar.style.height = height;
    });
  }
}

/* ---- All of it ---- */

export function drawDetail(subject, scores) {
  const { kind, name, journey } = parse(subject);
  setText($("detail-title"), name);
  setText($("detail-where"), [KINDS[kind], journey === undefined ? "" : `of ${journey}`, decode(choice.segment), `last ${choice.window}`].filter(Boolean).join(" · "));
  if (scores === null) {
    for (const id of ["detail-score", "times", "every"]) {
      $(id).replaceChildren();
      delete $(id).dataset.names;
    }
    lines = new Map();
    setText($("detail-where"), `${$("detail-where").textContent} · no data`);
    return;
  }
  drawScores(scores);
  if (drawPairs($("times"), TIMES, scores) === 0) $("times").replaceChildren(el("div", {}, el("dt", {}, "No contacts with times in this window."), el("dd")));
  drawPairs($("every"), Object.keys(scores).filter((each) => each !== "as_of" && each !== "window_ms"), scores);
}

export function showDetail(shown) {
  setHidden($("detail"), !shown);
  $("split").classList.toggle("with-detail", shown);
}
