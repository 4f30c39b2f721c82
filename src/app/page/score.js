// A score as the summary, a tile and the panel show it: the value with its unit, and how it stands to the target.

import { el, setText } from "./dom.js";
import { format, unitSign, verdict } from "./fields.js";

export const makeScore = () => ({
  value: el("span", { className: "value" }),
  mark: el("span", { className: "mark" }),
  says: el("span", { className: "unseen" }),
});

/** parts: of makeScore. Returns the verdict's state. */
export function drawScore(parts, measure, scores) {
  const judged = verdict(measure, scores);
  const value = scores?.[measure];
  setText(parts.value, format(measure, value) + (value === undefined ? "" : unitSign(measure)));
  setText(parts.mark, judged.mark);
  setText(parts.says, judged.text);
  return judged.state;
}
