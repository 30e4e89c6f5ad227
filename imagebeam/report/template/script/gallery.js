// Pictures

const thumbnails = new Map(data.pictures.filter((each) => each.thumbnail).map((each) => [each.path, each.thumbnail]));
let turn = 0;

function renderPictures(now) {
  const all = now.show === "all";
  at("list-controls").hidden = at("pages").hidden = !all;
  at("picture-controls").hidden = false;
  at("all-classes").hidden = !now.class;
  at("all-folders").hidden = !(now.folder || now.year);
  for (const radio of document.querySelectorAll("[name=show]")) radio.checked = radio.value === now.show;
  for (const pick of document.querySelectorAll("#folders .pick")) {
    pick.setAttribute("aria-pressed", String(pick.dataset.folder ? pick.dataset.folder === now.folder : pick.dataset.year === now.year));
  }
  turn += 1;
  if (all) renderList(now, turn);
  else renderSome(now);
}

// Names of filters, as elements that keep the direction of their text.
function filters(now) {
  return [["class", now.class], ["folder", now.folder], ["year", now.year]].filter(([, value]) => value).flatMap(([kind, value]) => {
    const name = document.createElement("bdi");
    name.textContent = value;
    return [` in ${kind} `, name];
  });
}

function renderSome(now) {
  const owner = classes.get(now.class) || data.all;
  const shown = owner.pictures[WAYS.indexOf(now.show)].map((index) => data.pictures[index]);
  show(shown, now);
  at("pictures-of").replaceChildren(
    `${WAY_NAMES[now.show]} ${shown.length} of ${counted(owner.images, "image")}`, ...filters({ class: now.class }));
}

async function renderList(now, mine) {
  at("from-value").textContent = now.from.toFixed(2);
  for (const [id, value] of [["name", now.name], ["from", String(now.from)]]) {
    if (document.activeElement !== at(id) || id === "from") at(id).value = value;
  }
  at("sort").value = now.sort;
  renderCommand(now);
  let got;
  try {
    got = await source.pictures(now);
  } catch (error) {
    if (mine === turn) at("pictures-of").textContent = `The list cannot be shown: ${error.message}.`;
    return;
  }
  // Another choice was made meanwhile.
  if (mine !== turn) return;
  show(got.items, now);
  const pages = Math.max(Math.ceil(got.found / PER_PAGE), 1);
  const page = now.page > pages ? 1 : now.page;
  const missing = images.info.total - images.info.held;
  const rest = missing ? ` ${count(missing)} more images do not fit. Use imagebeam report --serve to see them.` : "";
  at("pictures-of").replaceChildren(`${count(got.found)} of ${counted(images.info.held, "image")}`, ...filters(now), rest && `.${rest}`);
  at("page-of").textContent = `Page ${count(page)} of ${count(pages)}`;
  at("previous").disabled = page === 1;
  at("next").disabled = page === pages;
}

// The command that selects the same pictures, where there is one.
function renderCommand(now) {
  const word = (text) => (/^[\w@%+=:,./][\w@%+=:,./-]*$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);
  const isSame = !(now.name || now.folder || now.year) && !/[\u2400-\u2421\u27e8]/.test(now.class);
  const words = ["imagebeam", "export", word(data.output), "--to", "pictures.csv"];
  if (now.class) words.push(word(`--label=${now.class}`));
  if (now.from) words.push("--min-score", String(now.from));
  at("command").textContent = words.join(" ");
  at("command-line").hidden = !isSame || !HAS_LABELS;
}

function show(items, now) {
  at("gallery").replaceChildren(...items.map((each, place) => picture(each, now, place)));
}

function address(each) {
  if (images.info.is_served) return `original/${each.row}`;
  if (each.path.includes("!/")) return "";
  // One slash: browsers of some systems take two for the name of a server.
  if (each.path.startsWith("/")) return `file:///${each.path.replace(/^\/+/, "").split("/").map(encodeURIComponent).join("/")}`;
  return /^(file:\/\/\/(?!\/)|https?:\/\/)/.test(each.path) ? each.path : "";
}

function reason(each) {
  if (each.date < 0) return "not found when this page was made";
  if (each.path.includes("!/")) return "in an archive";
  if (/^(gs|s3):\/\//.test(each.path)) return "in a bucket";
  return /^https?:\/\//.test(each.path) ? "on the web" : "no thumbnail";
}

function picture(each, now, place) {
  const item = at("picture").content.cloneNode(true).firstElementChild;
  const find = (selector) => item.querySelector(selector);
  const link = address(each);
  const thumbnail = each.thumbnail || (images.info.is_served ? `thumbnail/${each.row}` : link.startsWith("file:") && each.date >= 0 ? link : "");
  if (thumbnail) find(".thumb").prepend(thumb(each, thumbnail));
  else find(".why").textContent = reason(each);
  if (each.label) {
    setPick(find(".pick"), each.label, each.label === now.class);
    find(".score").textContent = each.score === null ? "–" : scoreText(each.score);
  } else {
    find(".answer").remove();
  }
  const top = find(".best");
  top.id = `top-${place}`;
  top.replaceChildren(...each.top.map(([label, score]) => best(label, score)));
  top.hidden = each.top.length < 2;
  const file = each.name.slice(each.name.lastIndexOf("/") + 1);
  find(".file").append(link ? anchor(link, file, top.id) : file);
  find(".folder").textContent = each.name.slice(0, Math.max(each.name.length - file.length - 1, 0));
  find(".size").textContent = `${count(each.width)} × ${count(each.height)} pixels`;
  if (each.date > 0) {
    const date = document.createElement("span");
    date.className = "date";
    date.textContent = new Date(1000 * each.date).toISOString().slice(0, 10);
    find(".size").append(", ", date);
  }
  find(".changed").hidden = !each.changed;
  return item;
}

function thumb(each, address) {
  const image = new Image();
  image.alt = each.label ? `A picture labelled ${each.label}` : "";
  image.decoding = "async";
  if (!address.startsWith("data:")) image.loading = "lazy";
  image.addEventListener("error", () => {
    image.nextElementSibling.textContent = images.info.is_served ? "can no longer be read" : "not on this machine, or of a kind that browsers do not show";
    image.remove();
  });
  image.src = address;
  return image;
}

function best(label, score) {
  const item = document.createElement("li"), name = document.createElement("bdi"), number = document.createElement("span");
  name.textContent = label;
  number.textContent = scoreText(score);
  item.append(name, " ", number);
  return item;
}

function anchor(href, text, described) {
  const anchor = document.createElement("a");
  anchor.href = href;
  anchor.rel = "noreferrer noopener";
  anchor.target = "_blank";
  anchor.textContent = text;
  anchor.setAttribute("aria-describedby", described);
  return anchor;
}

// Lists to take along

function download(href) {
  const anchor = document.createElement("a");
  anchor.href = href;
  anchor.download = "pictures.csv";
  anchor.click();
}

async function copy(text, what) {
  try {
    await navigator.clipboard.writeText(text);
    at("said").textContent = at("copied").textContent = `${what} copied`;
  } catch {
    at("copied").textContent = "The browser does not allow copying here. Download the list instead.";
  }
}
