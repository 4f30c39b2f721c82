// A value on its scale: the interval as a bar, the value and the target as ticks.

import { el } from "./dom.js";
import { field, targetOf } from "./fields.js";

export function makeTrack() {
  const parts = { range: el("i", { className: "range" }), target: el("i", { className: "aim" }), value: el("i", { className: "at" }) };
  const track = el("div", { className: "track" }, parts.range, parts.target, parts.value);
  track.setAttribute("aria-hidden", "true"); // the numbers stand beside it
  return { element: track, parts, drawn: "" };
}

/** scale: [least, most]. What is drawn already is not drawn again. */
export function drawTrack(track, measure, scores, scale) {
  const [least, most] = scale;
  const percent = (value) => Math.min(100, Math.max(0, (100 * (value - least)) / (most - least || 1)));
  const value = scores?.[measure];
  const { low, high } = field(measure);
  const places = [value, scores?.[low], scores?.[high], targetOf(measure)].map((each) =>
    each === undefined ? "" : percent(each).toFixed(1));
  const key = places.join(" ");
  if (key === track.drawn) return;
  track.drawn = key;
  const [at, from, to, aim] = places;
  const { parts } = track;
  track.element.classList.toggle("empty", at === "");
  parts.value.style.left = `${at || 0}%`;
  parts.range.style.left = `${from || (low === undefined ? 0 : at) || 0}%`;
  parts.range.style.width = `${Math.max(0, (to || at || 0) - (from || (low === undefined ? 0 : at) || 0))}%`;
  parts.target.hidden = aim === "";
  parts.target.style.left = `${aim || 0}%`;
}
