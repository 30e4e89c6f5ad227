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
  at("classes-shown").textContent = `${some}${counted(data.classes.length, "class", "classes")}${first}.${data.classes_left}`;
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
  mean.textContent = scoreText(each.mean);
  row.classList.toggle("picked", chosen);
  return row;
}

function setPick(pick, name, chosen) {
  pick.querySelector("bdi").textContent = name;
  pick.dataset.class = name;
  pick.setAttribute("aria-pressed", String(chosen));
}
