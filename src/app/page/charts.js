// Chart.js, in the page's colours, without animation: what is drawn is what is known now.

const all = new Set();

/** A colour of page.css by the name of its property. */
export const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

/** configure(): the configuration with the present colours; it is asked again when light turns to dark. */
export function makeChart(canvas, configure) {
  const chart = new window.Chart(canvas, configure());
  const recolour = () => {
    const { options, data } = configure();
    data.datasets.forEach((fresh, index) => Object.assign(chart.data.datasets[index], { ...fresh, data: chart.data.datasets[index].data }));
    chart.options = options;
    chart.update("none");
  };
  all.add(recolour);
  return chart;
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  for (const recolour of all) recolour();
});

/** What all of them have in common. */
export const plain = () => ({
  animation: false, responsive: true, maintainAspectRatio: false, normalized: true,
  interaction: { mode: "index", intersect: false },
});

export const axis = (more) => ({
  grid: { color: colour("rule"), borderColor: colour("rule") },
  ticks: { color: colour("quiet"), maxRotation: 0, autoSkipPadding: 16, font: { size: 11 } },
  ...more,
});
