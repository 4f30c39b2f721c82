// The Kano map: a feature is further up the more it delights when it is there (better), and further right the more it annoys when
// it is not (worse, without its sign). The halves of both name the quadrants.

import { $, el, setText } from "./dom.js";
import { enoughAnswers, format } from "./fields.js";
import { parse } from "./names.js";
import { axis, colour, makeChart, plain } from "./charts.js";

const QUADRANTS = [
  { id: "attractive", name: "Attractive", says: "delights, is not missed", holds: (better, worse) => better >= 0.5 && worse < 0.5, corner: [0, 1] },
  { id: "one-dimensional", name: "One-dimensional", says: "the more the better", holds: (better, worse) => better >= 0.5 && worse >= 0.5, corner: [1, 1] },
  { id: "indifferent", name: "Indifferent", says: "nobody minds", holds: (better, worse) => better < 0.5 && worse < 0.5, corner: [0, 0] },
  { id: "must-be", name: "Must-be", says: "taken for granted, missed when it lacks", holds: (better, worse) => better < 0.5 && worse >= 0.5, corner: [1, 0] },
];

let chart = null;
const lists = new Map();

/* Names of quadrants behind the points, names of features beside them. */
const names = {
  id: "names",
  beforeDatasetsDraw({ ctx, chartArea: { left, right, top, bottom }, scales: { x, y } }) {
    ctx.save();
    const [middleX, middleY] = [x.getPixelForValue(0.5), y.getPixelForValue(0.5)];
    ctx.fillStyle = colour("quadrant");
    ctx.fillRect(middleX, top, right - middleX, middleY - top);
    ctx.fillRect(left, middleY, middleX - left, bottom - middleY);
    ctx.font = "600 12px system-ui, sans-serif";
    ctx.fillStyle = colour("quiet");
    for (const { name, corner: [across, up] } of QUADRANTS) {
      ctx.textAlign = across === 1 ? "right" : "left";
      ctx.textBaseline = up === 1 ? "top" : "bottom";
      ctx.fillText(name, across === 1 ? right - 8 : left + 8, up === 1 ? top + 8 : bottom - 8);
    }
    ctx.restore();
  },
  afterDatasetsDraw(drawn) {
    label(drawn.ctx, drawn.chartArea, drawn.getDatasetMeta(0).data, drawn.data.datasets[0].data);
  },
};

/* A name goes where it lies over no point and no other name; where there is no such place, only the list has it. */
function label(ctx, area, points, features) {
  const box = (left, top, width, height) => ({ left, top, right: left + width, bottom: top + height });
  const taken = points.map(({ x, y }) => box(x - 7, y - 7, 14, 14));
  const free = (wish) => wish.left >= area.left && wish.right <= area.right && wish.top >= area.top && wish.bottom <= area.bottom &&
    !taken.some((other) => wish.left < other.right && wish.right > other.left && wish.top < other.bottom && wish.bottom > other.top);
  ctx.save();
  ctx.font = "12px system-ui, sans-serif";
  ctx.fillStyle = colour("text");
  ctx.textAlign = "left";
  ctx.textBaseline = "middle";
  points.forEach(({ x, y }, index) => {
    const { name } = features[index];
    const width = ctx.measureText(name).width;
    const place = [[x + 10, y - 8], [x - 10 - width, y - 8], [x - width / 2, y - 25], [x - width / 2, y + 9], [x + 6, y - 25], [x + 6, y + 9]]
      .map(([left, top]) => box(left, top, width, 16)).find(free);
    if (place === undefined) return;
    taken.push(place);
    ctx.fillText(name, place.left, place.top + 8);
  });
  ctx.restore();
}

function configure() {
  const side = (title) => axis({ min: 0, max: 1, title: { display: true, text: title, color: colour("quiet") }, ticks: { ...axis().ticks, stepSize: 0.25, callback: (value) => value.toFixed(2) } });
  return {
    type: "scatter",
    data: { datasets: [{ data: [], pointRadius: 6, pointHoverRadius: 8, borderWidth: 2, borderColor: colour("accent"),
      backgroundColor: (context) => (context.raw?.enough ? colour("accent") : colour("panel")) }] },
    options: { ...plain(), interaction: { mode: "nearest", intersect: true },
      plugins: { legend: { display: false }, tooltip: { callbacks: {
        label: ({ raw }) => ` ${raw.name}: better ${raw.y.toFixed(2)}, worse −${raw.x.toFixed(2)}, n ${raw.n}` } } },
      scales: { x: side("worse: annoys when it lacks →"), y: side("better: delights when it is there →") } },
    plugins: [names],
  };
}

function makeList({ id, name, says }) {
  const parts = { list: el("ul") };
  const element = el("section", {}, el("h3", {}, name, el("small", {}, ` ${says}`)), parts.list);
  element.dataset.quadrant = id;
  return { element, parts };
}

function drawLists(features) {
  if (lists.size === 0)
    for (const quadrant of QUADRANTS) {
      lists.set(quadrant.id, makeList(quadrant));
      $("quadrants").append(lists.get(quadrant.id).element);
    }
  for (const { id, holds } of QUADRANTS) {
    const { list } = lists.get(id).parts;
    const wanted = features.filter(({ x, y }) => holds(y, x));
    while (list.children.length > wanted.length) list.lastChild.remove();
    wanted.forEach((feature, index) => {
      const item = list.children[index] ?? list.appendChild(el("li", {}, el("span", { className: "name" }), el("span", { className: "value" })));
      setText(item.firstChild, feature.name);
      setText(item.lastChild, `${feature.y.toFixed(2)} / −${feature.x.toFixed(2)}${feature.enough ? "" : " ○"}`);
      item.title = `${format("kano_category", feature.category)}, n ${feature.n}${feature.enough ? "" : ": few answers"}`;
    });
  }
}

export function drawKano(scores) {
  const features = Object.entries(scores)
    .filter(([subject, { kano_better, kano_worse }]) => subject.startsWith("feature:") && kano_better !== undefined && kano_worse !== undefined)
    .map(([subject, each]) => ({ name: parse(subject).name, x: -each.kano_worse || 0, y: each.kano_better, n: each.kano_n,
      category: each.kano_category, enough: enoughAnswers("kano_better", each) }))
    .sort((a, b) => b.n - a.n);
  $("kano-section").hidden = features.length === 0;
  if (features.length === 0) return;
  drawLists(features);
  chart ??= makeChart($("kano"), configure);
  const before = JSON.stringify(chart.data.datasets[0].data);
  if (before === JSON.stringify(features)) return;
  chart.data.datasets[0].data = features;
  chart.update("none");
}
