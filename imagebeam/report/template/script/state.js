// All state is in the fragment of the URL, so that a selection can be shared and undone with the
// back button. Names are only ever added as text; no markup is made from data.
const data = JSON.parse(document.getElementById("data").textContent);
const at = (id) => document.getElementById(id);
const count = (number) => number.toLocaleString("en-US");
const counted = (number, one, many = `${one}s`) => `${count(number)} ${number === 1 ? one : many}`;
const percent = (share) => (100 * share).toLocaleString("en-US", { minimumFractionDigits: 1, maximumFractionDigits: 1 }) + " %";
// Rows hold thousandths. Means are rounded to them first, so that the same score reads the same everywhere.
const scoreText = (score) => (Math.round(Math.round(1000 * score) / 10) / 100).toFixed(2);
const WAYS = ["sample", "least", "most", "all"];
const WAY_NAMES = { sample: "Random", least: "Least confident", most: "Most confident" };
const FEW = 12, MORE = 200, PER_PAGE = 60, EXAMPLES_PER_CODE = 2;
const classes = new Map(data.classes.map((each) => [each.name, each]));
let listed = FEW;

function pageNumber(text) {
  return Math.max(Math.floor(Number(text)) || 1, 1);
}

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
    folder: given.get("folder") || "",
    year: /^[0-9]{1,4}$/.test(given.get("year")) ? given.get("year") : "",
    sort: SORTS.has(given.get("sort")) ? given.get("sort") : "",
    from: Math.min(Math.max(Number(given.get("from")) || 0, 0), 1),
    page: pageNumber(given.get("page")),
    errors: pageNumber(given.get("errors")),
  };
}

function go(changes, replace = false) {
  const params = new URLSearchParams();
  for (const [key, value] of Object.entries({ ...state(), ...changes })) {
    if (value && !(key === "show" && value === "sample") && !(["page", "errors"].includes(key) && value === 1)) params.set(key, value);
  }
  history[replace ? "replaceState" : "pushState"](null, "", "#" + params);
  render();
}
