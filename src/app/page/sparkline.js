// A line without axes: how a score moved over the panes of the window.

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 120, HEIGHT = 28, EDGE = 3;

const svg = (tag, attributes) => {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
};

export function sparkline() {
  const line = svg("path", { class: "line", fill: "none" });
  const end = svg("circle", { class: "end", r: 2.5, visibility: "hidden" });
  const element = svg("svg", { class: "spark", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, "aria-hidden": "true" });
  element.append(line, end);

  /** values: one for each pane, null: none. */
  function draw(values) {
    const known = values.filter((value) => value !== null);
    const least = Math.min(...known), span = Math.max(...known) - least || 1;
    const points = values.flatMap((value, pane) => value === null ? [] : [[
      EDGE + (pane * (WIDTH - 2 * EDGE)) / (values.length - 1),
      HEIGHT - EDGE - ((value - least) * (HEIGHT - 2 * EDGE)) / span,
    ]]);
    line.setAttribute("d", points.map(([x, y], index) => `${index === 0 ? "M" : "L"}${x.toFixed(1)} ${y.toFixed(1)}`).join(""));
    end.setAttribute("visibility", points.length === 0 ? "hidden" : "visible");
    if (points.length === 0) return;
    end.setAttribute("cx", points.at(-1)[0].toFixed(1));
    end.setAttribute("cy", points.at(-1)[1].toFixed(1));
  }
  return { element, draw };
}
