// The page: reads what is configured, then asks for scores whenever the stream says that some have changed, one question at a time.

import { $, beforePaint, el, setAttribute } from "./dom.js";
import { ask, askScores, forgetToken, presentToken, readStream, Refused, setToken } from "./api.js";
import { choice, choose, onChoice, startChoice } from "./choice.js";
import { family, field, label, measures, setMeta } from "./fields.js";
import { decode, withoutSegment, withSegment } from "./names.js";
import { answered, drawStatus, setEventClock, setNotice, setState } from "./status.js";
import { drawSummary, HEADLINES } from "./summary.js";
import { drawJourneys, drawJourneyTrend, shownJourneys } from "./journeys.js";
import { drawTouchpoints, filterRows, markChosen, resetTouchpoints, setPlaces } from "./touchpoints.js";
import { drawAnswers, drawDetail, drawTrend, showDetail } from "./detail.js";
import { drawKano } from "./kano.js";

const POLL_MS = 5000; // even when nothing changes: windows are known to be alive, and what a stream missed heals
const RETRY_MS = 2000;
const STREAM_FULL_MS = 5000; // Retry-After of a stream that is not to be had
const TRENDS_MS = 5000;
const TRENDS_MAX = 12; // of journeys
const DETAIL_MS = 1000;

let meta = null;
let scores = {}, cut = false; // by subject without segment; there are more
let asking = null; // AbortController of the question that is under way
let wanted = false; // another one, when it is answered
let began = 0, restUntil = 0, resting = null; // of a question and what is drawn of its answer
let detail = null; // what was last read of the chosen subject
let trendsAt = -Infinity, detailAt = -Infinity, detailWaits = null;

/* ---- Asking ---- */

function fieldsWanted() {
  const names = [choice.measure, ...HEADLINES, "kano_better", "kano_worse"].flatMap(family);
  return [...new Set([...names, "kano_category"])].join();
}

async function refresh() {
  if (asking !== null || document.hidden || meta === null) {
    wanted = true;
    return;
  }
  wanted = false;
  const question = new AbortController();
  asking = question;
  began = performance.now();
  try {
    const segment = choice.segment;
    const { found, more } = await askScores({ window: choice.window, segment: segment || undefined, fields: fieldsWanted() }, question.signal);
    scores = Object.fromEntries(Object.entries(found).map(([subject, each]) => [withoutSegment(subject, segment), each]));
    cut = more;
    answered(Object.values(found)[0]?.as_of ?? Date.now()); // they all have the same
    if (streaming || streamsFull) setState(streaming ? "live" : "polling");
    beforePaint(drawAll);
  } catch (fault) {
    failed(fault);
  } finally {
    if (asking === question) {
      asking = null;
      if (wanted) refreshSoon();
    }
  }
}

/* It rests as long as it has worked: with very many subjects neither this browser nor delightd does nothing else. */
function refreshSoon() {
  resting ??= setTimeout(() => {
    resting = null;
    refresh();
  }, Math.max(0, restUntil - performance.now()));
}

function failed(fault) {
  if (fault.name === "AbortError") return;
  if (fault instanceof Refused && fault.status === 401) {
    if (fault.token === presentToken()) askForToken(); // otherwise there is another one since
  } else if (fault instanceof Refused && fault.status === 503) setState("waiting");
  else setState("reconnecting");
}

/* What was chosen is another: the answer on its way is of no use. */
function refreshNow() {
  asking?.abort();
  asking = null;
  refresh();
}

async function readTrends() {
  trendsAt = performance.now();
  const { window, measure, segment } = choice;
  for (const subject of shownJourneys().slice(0, TRENDS_MAX)) {
    const trend = await ask("/api/trend", { subject: withSegment(subject, segment), window, measures: measure }).catch(() => null);
    if (measure !== choice.measure || window !== choice.window || segment !== choice.segment) return;
    if (trend !== null) drawJourneyTrend(subject, trend);
  }
}

async function readDetail() {
  clearTimeout(detailWaits);
  detailWaits = null;
  detailAt = performance.now();
  const { window, measure, segment, subject } = choice;
  if (subject === "") return;
  const question = { subject: withSegment(subject, segment), window };
  try {
    const [every, trend, answers] = await Promise.all([
      ask("/api/scores", question), ask("/api/trend", { ...question, measures: measure }), ask("/api/answers", question)]);
    if (subject !== choice.subject || window !== choice.window || segment !== choice.segment || measure !== choice.measure) return;
    detail = { subject, scores: every.subjects[question.subject][window], trend, answers: answers.answers };
    beforePaint(drawDetailRead);
  } catch (fault) {
    if (fault.status !== 404) failed(fault);
    else if (subject === choice.subject) {
      detail = { subject, scores: null, trend: null, answers: {} };
      beforePaint(drawDetailRead);
    }
  }
}

function drawDetailRead() {
  drawDetail(detail.subject, detail.scores);
  drawTrend(detail.trend);
  drawAnswers(detail.answers, meta);
}

function detailSoon() {
  if (choice.subject !== "" && detailWaits === null && !document.hidden)
    detailWaits = setTimeout(readDetail, Math.max(0, detailAt + DETAIL_MS - performance.now()));
}

function drawAll() {
  drawSummary(scores.all ?? {});
  drawJourneys(meta.catalogue, scores);
  drawTouchpoints(scores, cut);
  drawKano(scores);
  markChosen(choice.subject);
  if (performance.now() - trendsAt > TRENDS_MS) readTrends();
  restUntil = 2 * performance.now() - began;
}

/* ---- The stream ---- */

let streaming = false, streamed = false; // it is open; somebody sees to it
let streamsFull = false; // it is not to be had: what the poll brings has to do

function onEvent(name, data) {
  const changed = data.changed?.[choice.window];
  if (name !== "all" && changed === undefined) return;
  refreshSoon();
  if (name === "all" || changed.includes(withSegment(choice.subject, choice.segment))) detailSoon();
}

async function stream() {
  for (streamed = true; ;) {
    try {
      await readStream(() => {
        streaming = true;
        streamsFull = false;
        refresh(); // what changed while nobody listened
        detailSoon();
      }, onEvent);
    } catch (fault) {
      if (fault instanceof Refused && fault.status === 401) {
        streamed = false; // begins again with the token
        return;
      }
      streamsFull = fault instanceof Refused && fault.status === 503;
    } finally {
      streaming = false;
    }
    if (!streamsFull) setState("reconnecting");
    await new Promise((resolve) => setTimeout(resolve, streamsFull ? STREAM_FULL_MS : RETRY_MS));
  }
}

async function poll() {
  drawStatus();
  const ready = await ask("/readyz").catch(() => null);
  setNotice(ready === null ? ["delightd does not answer; what is shown is as old as it says"] : ready.missing);
  await readMeta();
  refresh();
}

/* Targets may change while the daemon runs; where all else has changed, so may the page have. */
async function readMeta() {
  const fresh = await ask("/api/meta").catch(() => meta);
  const lasting = ({ version, windows, segments, catalogue }) => JSON.stringify([version, windows, segments, catalogue]);
  if (lasting(fresh) !== lasting(meta)) location.reload();
  meta = fresh;
  setMeta(meta);
}

/* ---- Choices ---- */

async function segmentValues() {
  const found = [];
  for (let after = 0; after !== null;) {
    const page = await ask("/api/subjects", { kind: "all", segment: "*", limit: 1000, after });
    found.push(...page.subjects.map(({ segment }) => segment).filter((segment) => segment !== null));
    after = page.next;
  }
  return found.sort();
}

async function fillSegments() {
  const values = await segmentValues().catch(() => []);
  if (choice.segment !== "" && !values.includes(choice.segment)) values.push(choice.segment);
  const option = (value) => new Option(decode(value.slice(value.indexOf("=") + 1)), value);
  const groups = meta.segments.map((name) =>
    el("optgroup", { label: name }, ...values.filter((value) => value.startsWith(`${name}=`)).map(option)));
  $("segment").replaceChildren(new Option("all", ""), ...groups.filter((group) => group.children.length > 0));
  $("segment").value = choice.segment;
}

function fillChoices() {
  $("windows").replaceChildren($("windows").firstElementChild, ...meta.windows.map((window) => {
    const input = el("input", { type: "radio", name: "window", value: window });
    input.addEventListener("change", () => choose({ window }));
    return el("label", {}, input, el("span", {}, window));
  }));
  const groups = new Set(measures().map((each) => each.group));
  $("measure").replaceChildren(...[...groups].map((name) => el("optgroup", { label: name },
    ...measures().filter((each) => each.group === name).map((each) => new Option(label(each.name), each.name)))));
  $("measure").addEventListener("change", () => choose({ measure: $("measure").value }));
  $("segment").addEventListener("change", () => choose({ segment: $("segment").value }));
  $("segment").addEventListener("focus", fillSegments);
}

function drawChoices() {
  for (const input of $("windows").querySelectorAll("input")) input.checked = input.value === choice.window;
  $("measure").value = choice.measure;
  $("segment").value = choice.segment;
  showDetail(choice.subject !== "");
  markChosen(choice.subject);
  document.title = `${label(choice.measure)} · ${choice.window} · delightd`;
}

onChoice((changed) => {
  drawChoices();
  if (changed.some((key) => key !== "subject")) {
    resetTouchpoints();
    trendsAt = -Infinity;
    refreshNow();
  }
  readDetail();
});

/** What the address asks for and is not there. */
function missing(given) {
  const fresh = {};
  if (!meta.windows.includes(given.window)) fresh.window = meta.windows.includes("1h") ? "1h" : meta.windows[0];
  if (!field(given.measure)?.measure) fresh.measure = "nps";
  if (!meta.segments.some((name) => given.segment.startsWith(`${name}=`))) fresh.segment = "";
  return fresh;
}

/* ---- Keys and clicks ---- */

let opener = null; // what has the focus again when the detail is closed

function closeDetail() {
  choose({ subject: "" });
  const same = opener === null ? null : document.querySelector(`[data-subject="${CSS.escape(opener)}"]:is(button)`);
  same?.focus();
}

document.addEventListener("click", ({ target }) => {
  const subject = target.closest("button[data-subject]")?.dataset.subject;
  if (subject === undefined) return;
  opener = subject;
  choose({ subject });
  $("detail-title").focus({ preventScroll: true });
  $("detail").scrollIntoView({ block: "nearest" });
});
document.querySelector(".skip").addEventListener("click", (event) => { // the address holds the choice, and keeps it
  event.preventDefault();
  $("touchpoints").focus();
});
$("detail-close").addEventListener("click", closeDetail);
$("filter").addEventListener("input", filterRows);
$("choices").addEventListener("submit", (event) => event.preventDefault());
$("trend-body").closest("details").addEventListener("toggle", readDetail);
document.addEventListener("keydown", (event) => {
  const writing = event.target.matches("input, select, textarea");
  if (event.key === "Escape" && event.target === $("filter")) {
    $("filter").value = "";
    filterRows();
  } else if (event.key === "Escape" && !$("ask-token").open && choice.subject !== "") {
    closeDetail();
  } else if (event.key === "/" && !writing && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    $("filter").focus();
  } else if ((event.key === "ArrowDown" || event.key === "ArrowUp") && event.target.closest("#table-body") !== null) {
    event.preventDefault();
    const rows = [...$("table-body").children].filter((row) => !row.hidden);
    const at = rows.indexOf(event.target.closest("tr")) + (event.key === "ArrowDown" ? 1 : -1);
    rows[at]?.querySelector("button").focus();
  }
});
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  if (wanted) refresh();
  readDetail();
});

/* ---- The token, and the start ---- */

function askForToken() {
  const wrong = presentToken() !== null;
  setState("token");
  if ($("ask-token").open) return;
  if (wrong) $("ask-why").textContent = "That token is not the one of http.token_file.";
  forgetToken();
  $("ask-token").showModal();
}

$("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const token = $("token").value.trim();
  $("token").value = "";
  if (!/^[\x21-\x7e]+$/.test(token)) { // no header can hold it
    $("ask-why").textContent = "That is not a token: it has letters, digits and signs of ASCII only.";
    return;
  }
  setToken(token);
  $("ask-token").close();
  start();
});
$("ask-token").addEventListener("keydown", (event) => {
  if (event.key === "Escape") event.preventDefault(); // without a token there is nothing to see
});

let timers = false;

async function start() {
  try {
    meta ??= await ask("/api/meta");
  } catch (fault) {
    failed(fault);
    if (fault.status !== 401) setTimeout(start, RETRY_MS);
    return;
  }
  if (!timers) {
    timers = true;
    setMeta(meta);
    setPlaces(meta.catalogue);
    setEventClock(meta.clock === "event");
    $("instance").textContent = meta.instance;
    $("version").textContent = `delightd ${meta.version}`;
    startChoice(missing);
    fillChoices();
    setAttribute($("choices"), "data-ready", "true");
    setInterval(poll, POLL_MS);
    setInterval(drawStatus, 1000);
  }
  drawChoices();
  fillSegments();
  if (!streamed) stream();
  poll();
  readDetail();
}

start();
