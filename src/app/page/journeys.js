// A tile per journey: its score, how it moved, its stages in order, the weakest of them marked.

import { $, el, setAttribute, setHidden, setOrder, setText } from "./dom.js";
import { answersBehind, count, enoughAnswers, interval, label, scaleOf, worseFirst } from "./fields.js";
import { decode, encode, parse } from "./names.js";
import { choice } from "./choice.js";
import { drawScore, makeScore } from "./score.js";
import { drawTrack, makeTrack } from "./track.js";
import { sparkline } from "./sparkline.js";

const tiles = new Map();

/** [[journey's subject, [stages' subjects]], …]: those of the catalogue in its order, then others by name. */
export function journeysOf(catalogue, scores) {
  const found = new Map();
  const stagesOf = (journey) => found.get(journey) ?? found.set(journey, []).get(journey);
  for (const { name, stages } of catalogue.journeys)
    stagesOf(`journey:${encode(name)}`).push(...stages.map((stage) => `journey:${encode(name)}|stage=${encode(stage.name)}`));
  for (const subject of Object.keys(scores).sort()) {
    if (!subject.startsWith("journey:")) continue;
    const stages = stagesOf(subject.split("|", 1)[0]);
    if (subject.includes("|stage=") && !stages.includes(subject)) stages.push(subject);
  }
  return [...found].filter(([journey, stages]) => [journey, ...stages].some((subject) => scores[subject] !== undefined));
}

/** The stage with the worst score among those with answers enough to tell, if there are two. */
function weakestOf(stages, scores, measure) {
  const known = stages.filter((stage) => scores[stage]?.[measure] !== undefined && enoughAnswers(measure, scores[stage]));
  if (known.length < 2) return null;
  return known.sort((a, b) => worseFirst(measure, scores[a][measure], scores[b][measure]))[0];
}

function makeStage(subject) {
  const parts = {
    ...makeScore(),
    weakest: el("span", { className: "weakest", hidden: true }, "weakest"),
    track: makeTrack(),
  };
  const button = el("button", { type: "button", className: "stage" },
    el("span", { className: "name" }, parse(subject).name), parts.weakest, parts.value, parts.mark, " ", parts.says, parts.track.element);
  button.dataset.subject = subject;
  return { item: el("li", {}, button), button, parts };
}

function makeTile(subject) {
  const name = decode(subject.slice("journey:".length));
  const parts = {
    ...makeScore(),
    note: el("p", { className: "note" }),
    stages: el("ol", { className: "stages" }),
    line: sparkline(),
  };
  const open = el("button", { type: "button", className: "link" }, name);
  open.dataset.subject = subject;
  const tile = el("article", { className: "tile" },
    el("header", {}, el("h3", {}, open), el("p", { className: "big" }, parts.value, parts.mark, " ", parts.says)),
    el("div", { className: "under" }, parts.note, parts.line.element), parts.stages);
  tile.dataset.journey = name;
  return { tile, parts, stages: new Map() };
}

function drawStages(tile, subjects, scores, scale) {
  const measure = choice.measure;
  const weakest = weakestOf(subjects, scores, measure);
  for (const subject of subjects) {
    if (!tile.stages.has(subject)) tile.stages.set(subject, makeStage(subject));
    const { button, parts } = tile.stages.get(subject);
    setAttribute(button, "data-verdict", drawScore(parts, measure, scores[subject]));
    setHidden(parts.weakest, subject !== weakest);
    button.classList.toggle("is-weakest", subject === weakest);
    drawTrack(parts.track, measure, scores[subject], scale);
  }
  for (const [subject, { item }] of tile.stages)
    if (!subjects.includes(subject)) item.remove(), tile.stages.delete(subject);
  setOrder(tile.parts.stages, subjects.map((subject) => tile.stages.get(subject).item));
}

export function drawJourneys(catalogue, scores) {
  const measure = choice.measure;
  const journeys = journeysOf(catalogue, scores);
  const values = journeys.flatMap(([, stages]) => stages.map((stage) => scores[stage]?.[measure] ?? 0));
  const scale = scaleOf(measure, values);
  for (const [subject, stages] of journeys) {
    if (!tiles.has(subject)) tiles.set(subject, makeTile(subject));
    const tile = tiles.get(subject);
    setAttribute(tile.tile, "data-verdict", drawScore(tile.parts, measure, scores[subject]));
    const behind = `${count(answersBehind(measure, scores[subject] ?? {}))} answers`;
    setText(tile.parts.note, [interval(measure, scores[subject] ?? {}), behind].filter(Boolean).join(" · "));
    drawStages(tile, stages, scores, scale);
  }
  for (const [subject, { tile }] of tiles)
    if (!journeys.some(([journey]) => journey === subject)) tile.remove(), tiles.delete(subject);
  setOrder($("journeys"), journeys.map(([subject]) => tiles.get(subject).tile));
  setText($("journeys-hint"), journeys.length === 0 ? "No event has named a journey yet." :
    `${label(measure)} by stage` + (catalogue.journeys.length === 0 ? "; a catalogue in the configuration gives stages their order" : ""));
}

export const shownJourneys = () => [...tiles.keys()];

/** trend: of /api/trend. */
export function drawJourneyTrend(subject, trend) {
  tiles.get(subject)?.parts.line.draw(trend[choice.measure]?.value ?? []);
}
