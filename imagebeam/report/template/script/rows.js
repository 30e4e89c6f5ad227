// All pictures and all failed images. Their rows are in the page, in files beside it that are loaded
// when they are needed, or come from the program that serves the page.

// A page on disk may not read files, but a frame may show them and hand over their rows as text.
function frameText(address) {
  return new Promise((resolve, reject) => {
    const frame = document.createElement("iframe");
    const end = (settle, value) => {
      removeEventListener("message", receive);
      frame.remove();
      settle(value);
    };
    const receive = (event) => { if (event.source === frame.contentWindow) end(resolve, String(event.data)); };
    addEventListener("message", receive);
    frame.addEventListener("load", () => setTimeout(() => end(reject, new Error(`${address} beside this page cannot be read`)), 5000));
    frame.setAttribute("sandbox", "allow-scripts");
    frame.hidden = true;
    frame.src = address;
    document.body.append(frame);
  });
}

class Rows {
  constructor(name) {
    this.info = data.lists[name];
    this.waiting = [...this.info.files];
    this.folders = [];
    this.raw = new Map();
    for (const column of Rows.COLUMNS) this[column] = [];
    this.changed = new Set();
    this.tops = [];
    for (const element of document.querySelectorAll(`script.${name}`)) this.append(JSON.parse(element.textContent));
  }

  append(chunk) {
    const first = this.file.length, folder = this.folders.length;
    for (const name of chunk.folders) this.folders.push(name);
    for (const number of chunk.folder) this.folder.push(folder + number);
    for (const column of Rows.COLUMNS) if (column !== "folder") for (const value of chunk[column] || []) this[column].push(value);
    for (const [index, path] of Object.entries(chunk.raw)) this.raw.set(first + Number(index), path);
    this.tops.push({ first, top: chunk.top || [], others: chunk.others || 0 });
    for (const index of chunk.changed || []) this.changed.add(first + index);
  }

  async load() {
    this.loading ||= (async () => {
      while (this.waiting.length) {
        for (const chunk of JSON.parse(await frameText(this.waiting[0]))) this.append(chunk);
        this.waiting.shift();
      }
    })().finally(() => { this.loading = null; });
    return this.loading;
  }

  name(index) { return this.folders[this.folder[index]] + this.file[index]; }
  path(index) { return this.raw.get(index) ?? this.name(index); }
  // Label and score of each class that is known of a picture, the best first.
  best(index) {
    const { first, top, others } = this.tops.findLast((each) => each.first <= index);
    const start = 2 * others * (index - first), found = [[this.labelOf(index), this.score[index] / 1000]];
    for (let place = start; place < start + 2 * others; place += 2) found.push([this.info.labels[top[place]], top[place + 1] / 1000]);
    return found;
  }

  labelOf(index) { return this.info.labels[this.label[index]] ?? ""; }
}
Rows.COLUMNS = ["folder", "file", "label", "score", "width", "height", "date", "message"];

const images = new Rows("images"), failures = new Rows("failures");
const HAS_LABELS = data.classes.length > 0;
const folderOf = (name) => name.slice(0, name.lastIndexOf("/") + 1).replace(/\/$/, "") || "/";
const pixels = (index) => images.width[index] * images.height[index];
const SORTS = new Map([
  ["name", (a, b) => (images.name(a) < images.name(b) ? -1 : 1)],
  ["high", (a, b) => images.score[b] - images.score[a] || a - b],
  ["low", (a, b) => images.score[a] - images.score[b] || a - b],
  ["large", (a, b) => pixels(b) - pixels(a) || a - b],
  ["small", (a, b) => pixels(a) - pixels(b) || a - b],
  ["new", (a, b) => images.date[b] - images.date[a] || a - b],
  // Pictures whose date is not known come last in both orders.
  ["old", (a, b) => (images.date[a] <= 0) - (images.date[b] <= 0) || images.date[a] - images.date[b] || a - b],
]);
let list = { key: null, found: [] };

function selected(now) {
  const key = JSON.stringify([now.class, now.folder, now.year, now.name, now.sort, now.from]);
  if (list.key === key) return list.found;
  const wanted = now.name.toLocaleLowerCase();
  const isWanted = images.info.labels.map((label) => label.toLocaleLowerCase().includes(wanted));
  const label = now.class ? images.info.labels.indexOf(now.class) : null;
  const isInFolder = images.folders.map((folder) => !now.folder || folderOf(folder) === now.folder);
  const start = Date.UTC(now.year, 0) / 1000, end = Date.UTC(Number(now.year) + 1, 0) / 1000;
  const found = [];
  for (let index = 0; index < images.file.length; index += 1) {
    if (label !== null && images.label[index] !== label) continue;
    if (images.score[index] < 1000 * now.from) continue;
    if (!isInFolder[images.folder[index]]) continue;
    if (now.year && !(images.date[index] > 0 && images.date[index] >= start && images.date[index] < end)) continue;
    if (wanted && !isWanted[images.label[index]] && !images.name(index).toLocaleLowerCase().includes(wanted)) continue;
    found.push(index);
  }
  if (now.sort) found.sort(SORTS.get(now.sort));
  list = { key, found };
  return found;
}

function item(index) {
  const path = images.path(index), label = images.labelOf(index);
  return {
    path, label, name: images.name(index), width: images.width[index], height: images.height[index],
    score: HAS_LABELS ? images.score[index] / 1000 : null, top: HAS_LABELS ? images.best(index) : [],
    date: images.date[index], changed: images.changed.has(index), thumbnail: thumbnails.get(path) || "",
  };
}

function csv(indices) {
  // A spreadsheet would run a cell that starts like a formula.
  const cell = (text) => `"${(/^[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]/.test(text) ? `'${text}` : text).replaceAll('"', '""')}"`;
  const rows = indices.map((index) => `${cell(images.path(index))},${cell(images.labelOf(index))},${images.score[index] / 1000}\n`);
  return `uri,label,score\n${rows.join("")}`;
}

function failed(code) {
  const label = failures.info.labels.indexOf(code), found = [];
  for (let index = 0; index < failures.file.length; index += 1) if (failures.label[index] === label) found.push(index);
  return found;
}

const slice = (found, first, make) => ({ found: found.length, items: found.slice(first, first + PER_PAGE).map(make) });

// Both sources answer alike: a page of pictures or failed images, the paths of all pictures that are
// chosen, and the address of a table of them.
const inPage = {
  async pictures(now) {
    await images.load();
    const first = (now.page - 1) * PER_PAGE, found = selected(now);
    return slice(found, first < found.length ? first : 0, item);
  },
  async failures(now) {
    await failures.load();
    return slice(failed(now.code), (now.errors - 1) * PER_PAGE, (index) => ({ name: failures.name(index), message: failures.message[index] }));
  },
  async paths(now) {
    await images.load();
    return selected(now).map((index) => `${images.path(index)}\n`).join("");
  },
  async table(now) {
    await images.load();
    const address = URL.createObjectURL(new Blob([csv(selected(now))], { type: "text/csv" }));
    setTimeout(() => URL.revokeObjectURL(address), 1000);
    return address;
  },
};

const served = {
  async get(name, values) {
    const answer = await fetch(`${name}?${new URLSearchParams(values)}`);
    if (!answer.ok) throw new Error(`the program that serves this page answers: ${await answer.text()}`);
    return answer;
  },
  async pictures(now) { return (await this.get("pictures", now)).json(); },
  async failures(now) { return (await this.get("failures", now)).json(); },
  async paths(now) { return (await this.get("pictures.txt", now)).text(); },
  async table(now) { return `pictures.csv?${new URLSearchParams(now)}`; },
};
const source = images.info.is_served ? served : inPage;
