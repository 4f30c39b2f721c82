// Whether the page is connected, and how old what it shows is: always visible.

import { $, setAttribute, setHidden, setText } from "./dom.js";

const OLD_MS = 15000; // it asks every 5 s even when nothing changes
const SAYS = { connecting: "Connecting", live: "Live", polling: "Every 5 s", reconnecting: "Reconnecting", waiting: "No scores yet", token: "Token needed" };

let state = "connecting";
let answeredAt = null; // performance.now()
let eventClock = false;

export const setEventClock = (yes) => { eventClock = yes; };

export function setState(fresh) {
  state = fresh;
  drawStatus();
}

/** Sentences for the line below the bar; none: it goes. */
export function setNotice(sentences) {
  setHidden($("notice"), sentences.length === 0);
  setText($("notice"), sentences.join(". "));
}

/** Scores have come; as_of: the clock they hold at, epoch ms. */
export function answered(as_of) {
  answeredAt = performance.now();
  const time = new Date(as_of);
  setAttribute($("as-of"), "datetime", time.toISOString());
  setText($("as-of"), `as of ${eventClock ? time.toLocaleString() : time.toLocaleTimeString()}`);
  drawStatus();
}

export function drawStatus() {
  const age = answeredAt === null ? null : performance.now() - answeredAt;
  const old = age !== null && age > OLD_MS;
  const silent = old && (state === "live" || state === "polling");
  setAttribute($("connection"), "data-state", silent ? "old" : state);
  setText($("state"), silent ? "No answer" : SAYS[state]);
  setText($("age"), age === null ? "no data yet" : `${age < 60000 ? `${Math.floor(age / 1000)} s` : `${Math.floor(age / 60000)} min`} old`);
}
