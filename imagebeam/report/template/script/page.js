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
    now.class && `Class ${now.class}: ${counted(classes.get(now.class).images, "image")}`,
    now.folder && `Folder ${now.folder}`,
    now.year && `Year ${now.year}`,
    now.code && `Images with ${now.code}`,
  ].filter(Boolean).join(". ") || "All classes and codes";
  if (said !== last) at("said").textContent = last && said;
  last = said;
}

document.addEventListener("click", (event) => {
  const pick = event.target.closest(".pick");
  if (!pick) return;
  const { class: label, code, folder, year } = pick.dataset, now = state();
  if (label !== undefined) {
    const isInGallery = pick.closest("#gallery");
    go({ class: label === now.class ? "" : label, page: 1 });
    // The button was removed with its picture.
    if (isInGallery) at("pictures-title").focus();
  } else if (code !== undefined) {
    go({ code: code === now.code ? "" : code, errors: 1 });
  } else if (folder !== undefined) {
    go({ folder: folder === now.folder ? "" : folder, show: "all", page: 1 });
  } else {
    go({ year: year === now.year ? "" : year, show: "all", page: 1 });
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
    // The samples are of classes, not of folders.
    radio.addEventListener("change", () => go({ show: radio.value, page: 1, ...(radio.value === "all" ? {} : { folder: "", year: "" }) }));
  }
  at("all-classes")?.addEventListener("click", () => { go({ class: "", page: 1 }); at("pictures-title").focus(); });
  at("all-folders")?.addEventListener("click", () => { go({ folder: "", year: "", page: 1 }); at("pictures-title").focus(); });
  at("all-codes")?.addEventListener("click", () => { go({ code: "", errors: 1 }); at("errors-title").focus(); });
  for (const [id, key, step, title] of [
    ["previous", "page", -1, "pictures-title"], ["next", "page", 1, "pictures-title"],
    ["error-previous", "errors", -1, "errors-title"], ["error-next", "errors", 1, "errors-title"],
  ]) {
    at(id)?.addEventListener("click", () => {
      go({ [key]: Math.max(state()[key] + step, 1) });
      at(title).scrollIntoView();
    });
  }
  if (data.all.images) {
    at("list-controls").addEventListener("submit", (event) => event.preventDefault());
    at("name").addEventListener("input", (event) => go({ name: event.target.value, page: 1 }, true));
    at("from")?.addEventListener("input", (event) => go({ from: Number(event.target.value), page: 1 }, true));
    at("sort").addEventListener("change", (event) => go({ sort: event.target.value, page: 1 }));
    at("copy").addEventListener("click", async () => {
      const text = await source.paths(state());
      await copy(text, counted(text.split("\n").length - 1, "path"));
    });
    at("copy-command").addEventListener("click", () => copy(at("command").textContent, "Command"));
    at("download").addEventListener("click", async () => download(await source.table(state())));
  }
  addEventListener("hashchange", render);
  // Paper is white and has another width.
  addEventListener("beforeprint", () => { theme("light"); for (const { made } of charts) made.setSize({ width: 320, height: 200 }); });
  addEventListener("afterprint", () => { theme(at("theme").value); for (const { made, place } of charts) made.setSize({ width: place.clientWidth, height: place.clientHeight }); });
  render();
}

start();
