// Questions to delightd: JSON under /api/, and the stream of changes. Every one brings the token, if there is one.

const TOKEN = "delightd.token"; // in sessionStorage: this tab only, gone when it is closed
const SILENCE_MS = 25000; // the stream has a comment every 10 s
const PAGES_MAX = 5; // of a thousand subjects each

export class Refused extends Error {
  constructor(status, sentence, token) {
    super(sentence);
    this.status = status;
    this.token = token; // that the question had
  }
}

export const setToken = (token) => sessionStorage.setItem(TOKEN, token);
export const forgetToken = () => sessionStorage.removeItem(TOKEN);
export const presentToken = () => sessionStorage.getItem(TOKEN); // null: none

async function get(path, signal) {
  const token = presentToken();
  const headers = token === null ? {} : { Authorization: `Bearer ${token}` };
  const response = await fetch(path, { headers, signal, cache: "no-store" });
  if (response.ok || path === "/readyz") return response;
  const sentence = await response.json().then((body) => body.error, () => response.statusText);
  throw new Refused(response.status, sentence, token);
}

/** JSON of a path; query: an object, undefined values left out. Throws Refused, or TypeError when nobody answers. */
export async function ask(path, query = {}, signal = undefined) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined);
  const text = given.length === 0 ? "" : `?${new URLSearchParams(given)}`;
  return (await get(path + text, signal)).json();
}

/** The subjects of a question: {found: {full name: scores of the window}, more: there are others beyond the first thousands}. */
export async function askScores(query, signal) {
  const found = {};
  let after = 0;
  for (let pages = 0; pages < PAGES_MAX && after !== null; pages++) {
    const page = await ask("/api/scores", { ...query, limit: 1000, after }, signal);
    for (const [subject, windows] of Object.entries(page.subjects)) found[subject] = windows[query.window];
    after = page.next;
  }
  return { found, more: after !== null };
}

let stop = new AbortController();

/* A page that is left may be kept by the browser, and would keep its connection, of which there are six. When it comes back, the
 * stream has ended and is opened again. */
addEventListener("pagehide", () => stop.abort());

/** Reads the stream until it ends or falls silent; calls onOpen once, onEvent(name, data) for each event. One at a time. */
export async function readStream(onOpen, onEvent) {
  stop = new AbortController();
  let silence;
  const heard = () => {
    clearTimeout(silence);
    silence = setTimeout(() => stop.abort(), SILENCE_MS);
  };
  heard();
  try {
    const response = await get("/api/stream", stop.signal);
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    onOpen();
    for (let rest = ""; ;) {
      const { value, done } = await reader.read();
      if (done) return;
      heard();
      const blocks = (rest + value).split("\n\n");
      rest = blocks.pop();
      for (const block of blocks) {
        const lines = block.split("\n");
        const field = (name) => lines.find((line) => line.startsWith(name))?.slice(name.length);
        const name = field("event: ");
        if (name !== undefined) onEvent(name, JSON.parse(field("data: ")));
      }
    }
  } finally {
    clearTimeout(silence);
  }
}
