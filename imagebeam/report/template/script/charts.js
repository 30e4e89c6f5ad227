// Charts: a canvas needs computed colours, so they are read from an element.

const charts = [];

function colour(name) {
  const probe = at("said");
  probe.style.color = `var(--${name})`;
  const found = getComputedStyle(probe).color;
  probe.style.color = "";
  return found;
}

function axis(label, values, size) {
  return {
    stroke: () => colour("muted"),
    grid: { stroke: () => colour("line"), width: 1 },
    ticks: { stroke: () => colour("line"), width: 1 },
    font: "12px system-ui, sans-serif",
    labelFont: "12px system-ui, sans-serif",
    label, labelSize: 18, size, values,
  };
}

function chart(id, options, columns, read) {
  const place = at(id);
  const readout = at(`${id}-readout`);
  const made = new uPlot({
    width: place.clientWidth,
    height: place.clientHeight,
    legend: { show: false },
    cursor: { drag: { x: false, y: false }, points: { show: false }, y: false },
    hooks: { setCursor: [(self) => {
      readout.textContent = self.cursor.idx === null || self.cursor.idx === undefined ? "" : read(self.cursor.idx);
    }] },
    tzDate: (seconds) => uPlot.tzDate(new Date(1000 * seconds), "Etc/UTC"),
    ...options,
  }, columns, place);
  new ResizeObserver(() => fit(made, place)).observe(place);
  charts.push({ made, place });
  return made;
}

function fit(made, place) {
  if (place.clientWidth && place.clientWidth !== made.width) made.setSize({ width: place.clientWidth, height: place.clientHeight });
}

const width = 1 / data.bins;
const range = (bin) => `${(bin * width).toFixed(2)}–${((bin + 1) * width).toFixed(2)}`;
const shares = (each) => each.histogram.map((images) => images / each.images);
const bars = (size) => uPlot.paths.bars({ size: [size, 100], align: 0 });
let scores = null;

function startScores() {
  const middles = data.all.histogram.map((_, bin) => (bin + 0.5) * width);
  scores = chart("scores", {
    scales: { x: { time: false, range: [0, 1] }, y: { range: (_self, _low, high) => [0, Math.max(high, 0.01) * 1.05] } },
    axes: [
      axis("score", (_self, ticks) => ticks.map((tick) => String(+tick.toFixed(2))), 34),
      axis("share of images", (_self, ticks) => ticks.map((tick) => `${+(100 * tick).toFixed(1)} %`), 52),
    ],
    series: [
      {},
      { fill: () => colour("soft"), stroke: () => colour("soft"), width: 0, paths: bars(0.9), points: { show: false } },
      { fill: () => colour("one"), stroke: () => colour("one"), width: 0, paths: bars(0.45), points: { show: false } },
    ],
  }, [middles, shares(data.all), middles.map(() => null)], (bin) => {
    const chosen = classes.get(state().class);
    const of = (each) => `${count(each.histogram[bin])} (${percent(each.histogram[bin] / each.images)})`;
    return `${range(bin)}: ${of(data.all)}${chosen ? `, ${of(chosen)}` : ""}`;
  });
}

function renderScores(now) {
  const chosen = classes.get(now.class);
  const middles = scores.data[0];
  scores.setData([middles, shares(data.all), chosen ? shares(chosen) : middles.map(() => null)]);
  at("scores-summary").textContent = `Mean score ${scoreText(data.all.mean)}${chosen ? `; in the chosen class ${scoreText(chosen.mean)}` : ""}.`;
  at("scores-class").hidden = at("scores-table-class").hidden = !chosen;
  at("scores-class").querySelector("bdi").textContent = now.class;
  at("scores-table-class").textContent = now.class;
  at("scores-table").tBodies[0].replaceChildren(...data.all.histogram.map((images, bin) => {
    const row = document.createElement("tr");
    row.insertCell().textContent = range(bin);
    for (const value of chosen ? [images, chosen.histogram[bin]] : [images]) {
      const cell = row.insertCell();
      cell.className = "n";
      cell.textContent = count(value);
    }
    return row;
  }));
}

const moment = (seconds) => [new Date(1000 * seconds).toISOString().slice(0, 10), new Date(1000 * seconds).toISOString().slice(11, 19)];

function clock(seconds, step, span) {
  const [date, time] = moment(seconds);
  if (step >= 86400) return date.slice(5);
  const shown = step < 60 ? time : time.slice(0, 5);
  return span > 86400 ? `${shown}\n${date.slice(5)}` : shown;
}

function startTimeline() {
  const { start, seconds, images } = data.timeline;
  const times = images.map((_, bin) => start + (bin + 0.5) * seconds);
  chart("timeline", {
    scales: { x: { range: [start, start + images.length * seconds] }, y: { range: (_self, _low, high) => [0, high * 1.05] } },
    axes: [
      axis(undefined, (_self, ticks, _axis, _space, step) => ticks.map((tick) => clock(tick, step, images.length * seconds)), 46),
      axis("images per second", (_self, ticks) => ticks.map((tick) => tick.toLocaleString("en-US", { maximumSignificantDigits: 3 })), 66),
    ],
    series: [{}, { fill: () => colour("soft"), stroke: () => colour("soft"), width: 0, paths: bars(0.95), points: { show: false } }],
  }, [times, images.map((each) => each / seconds)], (bin) => {
    return `from ${moment(start + bin * seconds).join(" ")}: ${(images[bin] / seconds).toLocaleString("en-US", { maximumFractionDigits: 1 })}`;
  });
}
