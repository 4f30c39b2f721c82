// What the reader has chosen. It stands in the address, so that it can be kept, sent and gone back to.

const KEYS = ["window", "segment", "measure", "subject"];
const listeners = [];

export const choice = { window: "", segment: "", measure: "", subject: "" };

export function onChoice(listener) {
  listeners.push(listener);
}

function read() {
  const given = new URLSearchParams(location.hash.slice(1));
  return Object.fromEntries(KEYS.map((key) => [key, given.get(key) ?? ""]));
}

function take(fresh) {
  const changed = KEYS.filter((key) => choice[key] !== fresh[key]);
  Object.assign(choice, fresh);
  if (changed.length > 0) for (const listener of listeners) listener(changed);
}

/** choose({window: "1h"}): the rest stays as it is. */
export function choose(some) {
  const fresh = { ...choice, ...some };
  const text = new URLSearchParams(Object.entries(fresh).filter(([, value]) => value !== ""));
  history.pushState(null, "", `#${text}`);
  take(fresh);
}

let valid = () => ({});

/** check(choice) gives what has to be another one: what the address asks for may not be there. */
export function startChoice(check) {
  valid = check;
  const given = read();
  Object.assign(choice, given, valid(given));
}

addEventListener("popstate", () => {
  const given = read();
  take({ ...given, ...valid(given) });
});
