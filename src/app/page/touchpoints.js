// The table of touchpoints. A cell is written when its text is another one; rows change places at most every two seconds, and not
// while somebody points at them or has the focus in them.

import { $, el, setAttribute, setHidden, setOrder, setText } from "./dom.js";
import { answersBehind, count, field, format, interval, label, scaleOf, shortLabel, verdict, worseFirst } from "./fields.js";
import { encode, parse } from "./names.js";
import { choice } from "./choice.js";
import { drawTrack, makeTrack } from "./track.js";
import { HEADLINES } from "./summary.js";

const REORDER_MS = 2000;
const rows = new Map(); // by subject
let places = new Map(); // of the catalogue: "fly › check-in" by subject
let sort = { column: "score", descending: false };
let columns = [];
const collator = new Intl.Collator();
let orderedAt = 0;
let orderWaits = null;
let shown = {}, cut = false;

/* ---- Columns ---- */

const scoreColumn = (name) => ({
  id: name, title: shortLabel(name), help: field(name).help, className: "number",
  text: (scores) => format(name, scores[name]), value: (scores) => scores[name], compare: (a, b) => worseFirst(name, a, b),
});
const byNumber = (a, b) => (a === undefined || b === undefined ? (a === undefined) - (b === undefined) : b - a);

function columnsOf(measure) {
  return [
    { id: "name", title: "Touchpoint", className: "name" },
    { id: "score", title: label(measure), help: field(measure).help, className: "number score", text: (scores) => format(measure, scores[measure]),
      value: (scores) => scores[measure], compare: (a, b) => worseFirst(measure, a, b) },
    { id: "interval", title: field(measure).low === undefined ? "On its scale" : "95 % interval", className: "interval", fixed: true },
    { id: "n", title: "n", help: "answers or contacts behind it", className: "number", text: (scores) => count(answersBehind(measure, scores)),
      value: (scores) => answersBehind(measure, scores), compare: byNumber },
    ...HEADLINES.filter((name) => name !== measure).map(scoreColumn),
    { ...scoreColumn("events"), compare: byNumber },
  ];
}

function drawHead() {
  columns = columnsOf(choice.measure);
  $("table-head").replaceChildren(...columns.map((column) => {
    const head = el("th", { scope: "col", role: "columnheader", className: column.className });
    head.dataset.column = column.id;
    if (column.fixed) head.append(column.title);
    else {
      const button = el("button", { type: "button", title: column.help ?? "" }, column.title, el("span", { className: "arrow", ariaHidden: "true" }));
      button.addEventListener("click", () => sortBy(column.id));
      head.append(button);
    }
    return head;
  }));
  if (!columns.some((column) => column.id === sort.column)) sort = { column: "score", descending: false };
  drawSort();
}

function drawSort() {
  for (const head of $("table-head").children) {
    const sorted = head.dataset.column === sort.column;
    setAttribute(head, "aria-sort", sorted ? (sort.descending ? "descending" : "ascending") : null);
    const arrow = head.querySelector(".arrow");
    if (arrow !== null) setText(arrow, sorted ? (sort.descending ? " ▼" : " ▲") : "");
  }
}

/** What comes first: names from A, scores from the worst, counts from the largest; once more turns it round. */
function sortBy(column) {
  sort = { column, descending: sort.column === column && !sort.descending };
  drawSort();
  order();
}

/* ---- Rows ---- */

function makeRow(subject) {
  const { name } = parse(subject);
  const parts = { open: el("button", { type: "button", className: "link" }, name), mark: el("span", { className: "mark" }),
    says: el("span", { className: "unseen" }), number: el("span"), track: makeTrack(), ends: el("span", { className: "unseen" }) };
  parts.open.dataset.subject = subject;
  const place = places.get(subject) ?? "";
  const head = el("th", { scope: "row", role: "rowheader", className: "name" }, parts.open);
  if (place !== "") head.append(el("span", { className: "place" }, place));
  const row = el("tr", { role: "row" }, head);
  row.dataset.subject = subject;
  const cells = columns.slice(1).map((column) => {
    const cell = el("td", { role: "cell", className: column.className });
    if (column.id === "score") cell.append(parts.number, parts.mark, parts.says);
    if (column.id === "interval") cell.append(parts.track.element, parts.ends);
    row.append(cell);
    return cell;
  });
  return { row, cells, parts, name, find: `${name} ${place}`.toLowerCase() };
}

function drawRow(line, scores, scale) {
  const measure = choice.measure;
  const judged = verdict(measure, scores);
  setAttribute(line.row, "data-verdict", judged.state);
  setText(line.parts.mark, judged.mark);
  setText(line.parts.says, judged.text);
  setText(line.parts.ends, interval(measure, scores));
  drawTrack(line.parts.track, measure, scores, scale);
  columns.slice(1).forEach((column, index) => {
    if (column.id === "score") setText(line.parts.number, column.text(scores));
    else if (column.text !== undefined) setText(line.cells[index], column.text(scores));
  });
}

/* ---- Order and filter ---- */

function order() {
  clearTimeout(orderWaits);
  orderWaits = null;
  orderedAt = performance.now();
  const column = columns.find((each) => each.id === sort.column);
  const turn = sort.descending ? -1 : 1;
  const byName = (a, b) => collator.compare(rows.get(a).name, rows.get(b).name);
  const sorted = [...rows.keys()].sort((a, b) => {
    if (column.value === undefined) return turn * byName(a, b);
    const [one, other] = [column.value(shown[a] ?? {}), column.value(shown[b] ?? {})];
    const nothing = one === undefined || other === undefined; // last, whichever way
    return (nothing ? 1 : turn) * column.compare(one, other) || byName(a, b);
  });
  setOrder($("table-body"), sorted.map((subject) => rows.get(subject).row));
}

const inUse = () => $("table-body").matches(":hover, :focus-within");

function orderSoon() {
  const wait = orderedAt + REORDER_MS - performance.now();
  if (wait <= 0 && !inUse()) order();
  else if (orderWaits === null)
    orderWaits = setTimeout(() => {
      orderWaits = null;
      orderSoon();
    }, Math.max(wait, 250));
}

export function filterRows() {
  const words = $("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  let visible = 0;
  for (const { row, find } of rows.values()) {
    const wanted = words.every((word) => find.includes(word));
    setHidden(row, !wanted);
    visible += wanted ? 1 : 0;
  }
  const all = rows.size;
  setText($("touchpoints-hint"), (visible === all ? `${count(all)} of them` : `${count(visible)} of ${count(all)}`) +
    (cut ? "; there are more than a page can show" : ""));
  setHidden($("table-empty"), visible > 0);
  setText($("table-empty"), all === 0 ? "No touchpoint has data in this window and segment yet." : "No touchpoint is like that.");
}

/* ---- All of it ---- */

export function setPlaces(catalogue) {
  places = new Map(catalogue.journeys.flatMap(({ name, stages }) => stages.flatMap((stage) =>
    stage.touchpoints.map((touchpoint) => [`touchpoint:${encode(touchpoint)}`, `${name} › ${stage.name}`]))));
}

/** Another measure has other columns, another segment other rows: all is made anew. */
export function resetTouchpoints() {
  rows.clear();
  $("table-body").replaceChildren();
  drawHead();
}

/** more: there are others than these. */
export function drawTouchpoints(scores, more) {
  if (columns.length === 0) drawHead();
  const subjects = Object.keys(scores).filter((subject) => subject.startsWith("touchpoint:"));
  const scale = scaleOf(choice.measure, subjects.map((subject) => scores[subject][choice.measure] ?? 0));
  let others = cut !== more;
  shown = scores;
  cut = more;
  for (const subject of subjects) {
    if (!rows.has(subject)) {
      rows.set(subject, makeRow(subject));
      others = true;
    }
    drawRow(rows.get(subject), scores[subject], scale);
  }
  for (const [subject, { row }] of rows)
    if (scores[subject] === undefined) {
      row.remove();
      rows.delete(subject);
      others = true;
    }
  if (others) order();
  else orderSoon();
  if (others || rows.size === 0) filterRows();
}

/** The row of the subject in the detail is marked. */
export function markChosen(subject) {
  for (const [each, { row, parts }] of rows) {
    row.classList.toggle("chosen", each === subject);
    setAttribute(parts.open, "aria-current", each === subject ? "true" : null);
  }
}
