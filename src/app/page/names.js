// Names of subjects. In them { } | = % and blanks are percent-encoded; the catalogue has them as they are.

export const decode = (name) => name.replace(/%([0-9A-F]{2})/g, (_, hex) => String.fromCharCode(parseInt(hex, 16)));
export const encode = (name) =>
  name.replace(/[\x00-\x20\x7f{}|=%]/g, (letter) => "%" + letter.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0"));

/** "journey:fly|stage=gate|tier=vip", segment "tier=vip" -> "journey:fly|stage=gate". */
export function withoutSegment(subject, segment) {
  return segment === "" ? subject : subject.slice(0, -segment.length - 1);
}

export const withSegment = (base, segment) => (segment === "" ? base : `${base}|${segment}`);

/** {kind, name, stage} of a subject without segment. */
export function parse(base) {
  const colon = base.indexOf(":");
  if (colon < 0) return { kind: "all", name: "All customers" };
  const kind = base.slice(0, colon);
  const [name, stage] = base.slice(colon + 1).split("|stage=");
  return stage === undefined ? { kind, name: decode(name) } : { kind: "journey_stage", name: decode(stage), journey: decode(name) };
}
