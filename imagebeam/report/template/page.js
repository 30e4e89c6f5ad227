"use strict";
// All state is in the fragment of the URL, so that a selection can be shared and undone with the
// back button. Names are only ever added as text; no markup is made from data.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const at = (id) => document.getElementById(id);
  const count = (number) => number.toLocaleString("en-US");
  const percent = (share) => (100 * share).toLocaleString("en-US", { minimumFractionDigits: 1, maximumFractionDigits: 1 }) + " %";
  const WAYS = ["sample", "least", "most", "all"];
  const WAY_NAMES = { sample: "Random", least: "Least confident", most: "Most confident" };
  const FEW = 12, MORE = 200, PER_PAGE = 60, EXAMPLES_PER_CODE = 2;

  const classes = new Map(data.classes.map((each) => [each.name, each]));
  let listed = FEW;

  // State

  function state() {
    const given = new URLSearchParams(location.hash.slice(1));
    const way = given.get("show");
    return {
      class: classes.has(given.get("class")) ? given.get("class") : "",
      code: data.codes.includes(given.get("code")) ? given.get("code") : "",
      show: WAYS.includes(way) ? way : "sample",
      find: given.get("find") || "",
      order: ORDERS.has(given.get("order")) ? given.get("order") : "",
      name: given.get("name") || "",
      sort: SORTS.has(given.get("sort")) ? given.get("sort") : "",
      from: Math.min(Math.max(Number(given.get("from")) || 0, 0), 1),
      page: Math.max(Math.floor(Number(given.get("page"))) || 1, 1),
    };
  }

  function go(changes, replace = false) {
    const params = new URLSearchParams();
    for (const [key, value] of Object.entries({ ...state(), ...changes })) {
      if (value && !(key === "show" && value === "sample") && !(key === "page" && value === 1)) params.set(key, value);
    }
    history[replace ? "replaceState" : "pushState"](null, "", "#" + params);
    render();
  }

  // Classes

  const ORDERS = new Map([
    ["fewest", (a, b) => a.images - b.images],
    ["unsure", (a, b) => a.mean - b.mean],
    ["name", (a, b) => a.name.localeCompare(b.name)],
  ]);

  function renderClasses(now) {
    const wanted = now.find.toLocaleLowerCase();
    let found = data.classes.filter((each) => each.name.toLocaleLowerCase().includes(wanted));
    if (now.order) found = found.toSorted(ORDERS.get(now.order));
    let shown = found.slice(0, listed);
    const chosen = classes.get(now.class);
    // The selected class is always listed, so that it can be deselected.
    if (chosen && !shown.includes(chosen)) shown = [chosen, ...shown];
    const focused = document.activeElement?.closest("#classes .pick")?.dataset.class;
    const most = Math.max(...data.classes.map((each) => each.images));
    const rows = shown.map((each) => classRow(each, most, each === chosen));
    at("classes").tBodies[0].replaceChildren(...rows);
    rows.map((row) => row.querySelector(".pick")).find((pick) => pick.dataset.class === focused)?.focus();
    const some = found.length < data.classes.length ? `${count(found.length)} of ` : "";
    const first = found.length > listed ? `, the first ${count(listed)} shown` : "";
    at("classes-shown").textContent = `${some}${count(data.classes.length)} classes${first}.${data.classes_left}`;
    at("more-classes").hidden = found.length <= listed;
  }

  function classRow(each, most, chosen) {
    const row = at("class-row").content.cloneNode(true).firstElementChild;
    const pick = row.querySelector(".pick");
    const [images, share, mean] = row.querySelectorAll("td.n");
    setPick(pick, each.name, chosen);
    row.querySelector("rect").setAttribute("width", `${(100 * each.images) / most}%`);
    images.textContent = count(each.images);
    share.textContent = percent(each.images / data.all.images);
    mean.textContent = each.mean.toFixed(2);
    row.classList.toggle("picked", chosen);
    return row;
  }

  function setPick(pick, name, chosen) {
    pick.querySelector("bdi").textContent = name;
    pick.dataset.class = name;
    pick.setAttribute("aria-pressed", String(chosen));
  }

  // Pictures

  function renderPictures(now) {
    const all = now.show === "all";
    at("list-controls").hidden = at("pages").hidden = !all;
    at("picture-controls").hidden = false;
    at("all-classes").hidden = !now.class;
    for (const radio of document.querySelectorAll("[name=show]")) radio.checked = radio.value === now.show;
    if (all) renderList(now);
    else renderSome(now);
  }

  function renderSome(now) {
    const owner = classes.get(now.class) || data.all;
    const shown = owner.pictures[WAYS.indexOf(now.show)].map((index) => data.pictures[index]);
    at("gallery").replaceChildren(...shown.map((each) => picture(each, now)));
    const name = document.createElement("bdi");
    name.textContent = now.class;
    at("pictures-of").replaceChildren(
      `${WAY_NAMES[now.show]} ${shown.length} of ${count(owner.images)}`, ...(now.class ? [" in ", name] : [" images"]));
  }

  // All pictures: names by column, which a page turns into list items.

  const images = data.images;
  const thumbnails = new Map(data.pictures.filter((each) => each.thumbnail).map((each) => [`${each.folder}/${each.file}`, each]));
  const nameOf = (index) => images.folders[images.folder[index]] + images.files[index];
  const pathOf = (index) => images.raw[index] ?? nameOf(index);
  const SORTS = new Map([
    ["name", (a, b) => (nameOf(a) < nameOf(b) ? -1 : 1)],
    ["high", (a, b) => images.score[b] - images.score[a] || a - b],
    ["low", (a, b) => images.score[a] - images.score[b] || a - b],
  ]);
  let list = { key: null, found: [] };

  function listOf(now) {
    const key = JSON.stringify([now.class, now.name, now.sort, now.from]);
    if (list.key === key) return list.found;
    const wanted = now.name.toLocaleLowerCase();
    const position = now.class ? data.classes.indexOf(classes.get(now.class)) : null;
    const found = [];
    for (let index = 0; index < images.files.length; index += 1) {
      if (position !== null && images.class[index] !== position) continue;
      if (images.score[index] < 1000 * now.from) continue;
      if (wanted && !nameOf(index).toLocaleLowerCase().includes(wanted)) continue;
      found.push(index);
    }
    if (now.sort) found.sort(SORTS.get(now.sort));
    list = { key, found };
    return found;
  }

  function renderList(now) {
    const found = listOf(now);
    const pages = Math.max(Math.ceil(found.length / PER_PAGE), 1);
    const page = Math.min(now.page, pages);
    const first = (page - 1) * PER_PAGE;
    at("gallery").replaceChildren(...found.slice(first, first + PER_PAGE).map((index) => picture(listItem(index), now)));
    const missing = images.total - images.files.length;
    const rest = missing ? ` ${count(missing)} more images do not fit on this page. Use imagebeam search or export for them.` : "";
    at("pictures-of").textContent = `${count(found.length)} of ${count(images.files.length)} images.${rest}`;
    at("page-of").textContent = `Page ${count(page)} of ${count(pages)}`;
    at("previous").disabled = page === 1;
    at("next").disabled = page === pages;
    for (const [id, value] of [["name", now.name], ["from", now.from || ""]]) {
      if (document.activeElement !== at(id)) at(id).value = value;
    }
    at("sort").value = now.sort;
  }

  function listItem(index) {
    const known = thumbnails.get(nameOf(index));
    return {
      file: images.files[index],
      folder: images.folders[images.folder[index]].replace(/\/$/, ""),
      label: data.classes[images.class[index]]?.name || "",
      score: data.classes.length ? images.score[index] / 1000 : null,
      thumbnail: known?.thumbnail || "",
      link: address(pathOf(index)),
      reason: reasonOf(pathOf(index)),
    };
  }

  function address(path) {
    if (path.includes("!/")) return "";
    if (path.startsWith("/")) return "file://" + path.split("/").map(encodeURIComponent).join("/");
    return /^(file|https?):\/\//.test(path) ? path : "";
  }

  function reasonOf(path) {
    if (path.includes("!/")) return "in an archive";
    return /^(gs|s3):\/\//.test(path) ? "in a bucket" : "";
  }

  function csv(indices) {
    // A spreadsheet would run a cell that starts like a formula.
    const cell = (text) => `"${(/^[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]/.test(text) ? `'${text}` : text).replaceAll('"', '""')}"`;
    const rows = indices.map((index) => {
      const label = data.classes[images.class[index]]?.name || "";
      return `${cell(pathOf(index))},${cell(label)},${images.score[index] / 1000}\n`;
    });
    return `uri,label,score\n${rows.join("")}`;
  }

  function download(text) {
    const anchor = document.createElement("a");
    anchor.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
    anchor.download = "pictures.csv";
    anchor.click();
    setTimeout(() => URL.revokeObjectURL(anchor.href), 1000);
  }

  function picture(each, now) {
    const item = at("picture").content.cloneNode(true).firstElementChild;
    const find = (selector) => item.querySelector(selector);
    if (each.thumbnail) {
      const image = new Image();
      image.src = each.thumbnail;
      image.alt = each.label ? `A picture labelled ${each.label}` : "";
      image.decoding = "async";
      find(".thumb").append(image);
    } else {
      find(".thumb").textContent = each.reason || "no thumbnail";
    }
    if (each.label) {
      setPick(find(".pick"), each.label, each.label === now.class);
      find(".score").textContent = each.score === null ? "–" : each.score.toFixed(2);
    } else {
      find(".answer").remove();
    }
    find(".file").append(each.link ? link(each) : each.file);
    find(".folder").textContent = each.folder;
    if (each.width) find(".size").textContent = `${count(each.width)} × ${count(each.height)} pixels`;
    return item;
  }

  function link(each) {
    const anchor = document.createElement("a");
    // Whatever the data holds, a link leads to a file or a web page and runs nothing.
    if (/^(file|https?):\/\//.test(each.link)) anchor.href = each.link;
    anchor.rel = "noreferrer noopener";
    anchor.target = "_blank";
    anchor.textContent = each.file;
    return anchor;
  }

  // Errors

  function renderErrors(now) {
    for (const pick of document.querySelectorAll("#errors .pick")) {
      const chosen = pick.dataset.code === now.code;
      pick.setAttribute("aria-pressed", String(chosen));
      pick.closest("tbody").classList.toggle("picked", chosen);
    }
    for (const row of document.querySelectorAll("#examples li")) {
      row.hidden = now.code ? row.dataset.code !== now.code : row.dataset.place >= EXAMPLES_PER_CODE;
    }
    const name = document.createElement("bdi");
    name.textContent = now.code;
    at("examples-of")?.replaceChildren(...(now.code ? ["of ", name] : []));
    if (at("all-codes")) at("all-codes").hidden = !now.code;
  }

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
    const mean = (each) => each.mean.toFixed(2);
    at("scores-summary").textContent = `Mean score ${mean(data.all)}${chosen ? `; in the chosen class ${mean(chosen)}` : ""}.`;
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

  // The page

  let last = "";

  function render() {
    const now = state();
    if (data.classes.length) {
      renderClasses(now);
      renderScores(now);
      // Not while the user is typing in it.
      if (document.activeElement !== at("find")) at("find").value = now.find;
      at("order").value = now.order;
    }
    if (data.all.images) renderPictures(now);
    renderErrors(now);
    const said = [
      now.class && `Class ${now.class}: ${count(classes.get(now.class).images)} images`,
      now.code && `Examples of ${now.code}`,
    ].filter(Boolean).join(". ") || "All classes and codes";
    if (said !== last) at("said").textContent = last && said;
    last = said;
  }

  document.addEventListener("click", (event) => {
    const pick = event.target.closest(".pick");
    if (pick?.dataset.class !== undefined) {
      const same = pick.dataset.class === state().class;
      const isInGallery = pick.closest("#gallery");
      go({ class: same ? "" : pick.dataset.class, page: 1 });
      // The button was removed with its picture.
      if (isInGallery) at("pictures-title").focus();
    } else if (pick?.dataset.code !== undefined) {
      go({ code: pick.dataset.code === state().code ? "" : pick.dataset.code });
    }
  });

  function theme(name) {
    document.documentElement.dataset.theme = name;
    for (const { made } of charts) made.redraw();
  }

  function start() {
    document.querySelector(".skip").addEventListener("click", (event) => {
      // The fragment holds the state, so it must not change.
      event.preventDefault();
      at("main").focus();
    });
    document.querySelector(".theme").hidden = false;
    at("theme").addEventListener("change", (event) => theme(event.target.value));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => theme(at("theme").value));
    if (data.classes.length) {
      at("class-controls").hidden = at("classes").hidden = false;
      at("class-controls").addEventListener("submit", (event) => event.preventDefault());
      at("find").addEventListener("input", (event) => { listed = FEW; go({ find: event.target.value }, true); });
      at("order").addEventListener("change", (event) => { listed = FEW; go({ order: event.target.value }); });
      at("more-classes").addEventListener("click", () => { listed += MORE; render(); });
      startScores();
    }
    if (data.timeline) startTimeline();
    for (const radio of document.querySelectorAll("[name=show]")) {
      radio.addEventListener("change", () => go({ show: radio.value, page: 1 }));
    }
    at("all-classes")?.addEventListener("click", () => { go({ class: "", page: 1 }); at("pictures-title").focus(); });
    at("all-codes")?.addEventListener("click", () => { go({ code: "" }); at("errors-title").focus(); });
    if (data.all.images) {
      at("list-controls").addEventListener("submit", (event) => event.preventDefault());
      at("name").addEventListener("input", (event) => go({ name: event.target.value, page: 1 }, true));
      at("from").addEventListener("input", (event) => go({ from: Number(event.target.value), page: 1 }, true));
      at("sort").addEventListener("change", (event) => go({ sort: event.target.value, page: 1 }));
      for (const [id, step] of [["previous", -1], ["next", 1]]) {
        at(id).addEventListener("click", () => {
          const pages = Math.ceil(listOf(state()).length / PER_PAGE);
          go({ page: Math.min(state().page, pages) + step });
          at("pictures-title").scrollIntoView();
        });
      }
      at("copy").addEventListener("click", async () => {
        const paths = listOf(state()).map(pathOf);
        await navigator.clipboard.writeText(paths.join("\n") + "\n");
        at("said").textContent = `${count(paths.length)} paths copied`;
      });
      at("download").addEventListener("click", () => download(csv(listOf(state()))));
    }
    addEventListener("hashchange", render);
    // Paper is white and has another width.
    addEventListener("beforeprint", () => { theme("light"); for (const { made } of charts) made.setSize({ width: 320, height: 200 }); });
    addEventListener("afterprint", () => { theme(at("theme").value); for (const { made, place } of charts) made.setSize({ width: place.clientWidth, height: place.clientHeight }); });
    render();
  }

  start();
})();
