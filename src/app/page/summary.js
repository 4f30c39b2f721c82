// The first row: scores of all customers. Each is a button that makes it the measure of the page.

import { $, el, setAttribute, setText } from "./dom.js";
import { answersBehind, count, field, format, interval, shortLabel, targetOf, unitSign } from "./fields.js";
import { choice, choose } from "./choice.js";
import { drawScore, makeScore } from "./score.js";

export const HEADLINES = ["nps", "csat", "ces", "delight", "service_level", "wait_p95_ms", "fcr", "complaint_rate"];
const figures = new Map();

function make(name) {
  const parts = {
    ...makeScore(),
    note: el("span", { className: "note" }),
    target: el("span", { className: "note" }),
  };
  const button = el("button", { type: "button", className: "figure" },
    el("span", { className: "label", title: field(name).help }, shortLabel(name)), el("span", { className: "big" }, parts.value, parts.mark),
    parts.note, parts.target, parts.says);
  button.dataset.measure = name;
  button.addEventListener("click", () => choose({ measure: name }));
  return { button, parts };
}

export function drawSummary(scores) {
  for (const name of HEADLINES) {
    if (!figures.has(name)) {
      figures.set(name, make(name));
      $("figures").append(el("li", {}, figures.get(name).button));
    }
    const { button, parts } = figures.get(name);
    const target = targetOf(name);
    setAttribute(button, "data-verdict", drawScore(parts, name, scores));
    setText(parts.note, interval(name, scores) || `n ${count(answersBehind(name, scores))}`);
    setText(parts.target, target === undefined ? "" : `target ${format(name, target)}${unitSign(name)}`);
    setAttribute(button, "aria-pressed", String(choice.measure === name));
  }
}
