// Failed images: a few examples of each code, or all images of the chosen one.

let errorTurn = 0;

function renderErrors(now) {
  for (const pick of document.querySelectorAll("#errors .pick")) {
    const chosen = pick.dataset.code === now.code;
    pick.setAttribute("aria-pressed", String(chosen));
    pick.closest("tbody").classList.toggle("picked", chosen);
  }
  if (!at("examples")) return;
  for (const row of document.querySelectorAll("#examples li[data-code]")) {
    row.hidden = Boolean(now.code) || row.dataset.place >= EXAMPLES_PER_CODE;
  }
  const name = document.createElement("bdi");
  name.textContent = now.code;
  at("examples-of").replaceChildren(...(now.code ? ["with ", name] : ["(some of each code)"]));
  at("all-codes").hidden = at("error-pages").hidden = !now.code;
  errorTurn += 1;
  if (now.code) renderFailed(now, errorTurn);
  else for (const row of document.querySelectorAll("#examples .failed")) row.remove();
}

async function renderFailed(now, mine) {
  let got;
  try {
    got = await source.failures(now);
  } catch (error) {
    if (mine === errorTurn) at("error-page-of").textContent = `The list cannot be shown: ${error.message}.`;
    return;
  }
  if (mine !== errorTurn) return;
  for (const row of document.querySelectorAll("#examples .failed")) row.remove();
  at("examples").append(...got.items.map((each) => {
    const row = at("failed").content.cloneNode(true).firstElementChild;
    row.querySelector(".code").textContent = now.code;
    row.querySelector(".name").textContent = each.name;
    row.querySelector(".said").textContent = each.message;
    return row;
  }));
  const pages = Math.max(Math.ceil(got.found / PER_PAGE), 1);
  const missing = failures.info.total - failures.info.held;
  at("error-page-of").textContent = `Page ${count(now.errors)} of ${count(pages)}${missing ? `; ${count(missing)} more failed images do not fit, see errors/ of the output` : ""}`;
  at("error-previous").disabled = now.errors === 1;
  at("error-next").disabled = now.errors >= pages;
}
