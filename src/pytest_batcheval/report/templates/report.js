"use strict";
// Sorts tables, filters answers, and opens the answer that a link leads to. Everything can be read without it.
const value = cell => { const n = Number(cell.textContent.replace(/[,%]/g, "")); return Number.isNaN(n) ? cell.textContent : n; };
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.append(...head.childNodes);
    head.append(button);
    button.onclick = () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      heads.forEach(other => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const order = (a, b) => typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b));
      const rows = [...table.tBodies[0].rows].map(row => [value(row.cells[column]), row]);
      rows.sort((a, b) => (up ? 1 : -1) * order(a[0], b[0]));
      table.tBodies[0].append(...rows.map(([, row]) => row));
    };
  });
}
// A folded part is the text of a noscript, which a browser with scripts does not parse: opened, it becomes elements.
const folded = part => part.querySelector(":scope > noscript");
const build = part => { const text = folded(part); if (text) text.outerHTML = text.textContent; };
const parts = [...document.querySelectorAll(".answers")], fits = new Map(), read = new Map(), most = 300;
const signs = { amp: "&", lt: "<", gt: ">", "#34": '"', "#39": "'" };
const plain = markup => markup.replace(/<[^>]*>/g, "").replace(/&(amp|lt|gt|#34|#39);/g, (_, name) => signs[name]);
const source = '<details class="answer" data-outcome="';
const entry = markup => ({ outcome: markup.slice(0, markup.indexOf('"')), text: plain(markup.slice(markup.indexOf(">") + 1)).toLowerCase() });
const entries = part => folded(part)
  ? folded(part).textContent.split(source).slice(1).map(entry)
  : [...part.querySelectorAll("details.answer")].map(one => ({ outcome: one.dataset.outcome, text: one.textContent.toLowerCase() }));
const hide = part => part.querySelectorAll("details.answer").forEach((one, at) => { one.hidden = !fits.get(part)[at]; });
const form = document.getElementById("filter");
const filter = () => {
  const wanted = form.elements.words.value.trim().toLowerCase(), outcome = form.elements.outcome.value;
  let shown = 0, all = 0;
  for (const part of parts) {
    if (!read.has(part)) read.set(part, entries(part));
    fits.set(part, read.get(part).map(one => (!outcome || one.outcome === outcome) && one.text.includes(wanted)));
    const number = fits.get(part).filter(Boolean).length;
    part.hidden = !number;
    if (part.tagName === "DETAILS") part.open = Boolean((wanted || outcome) && number && shown < most);
    if (part.open) build(part);
    hide(part);
    shown += number;
    all += read.get(part).length;
  }
  const said = document.getElementById("shown");
  said.textContent = said.dataset.words.replace("{shown}", shown).replace("{all}", all);
};
form.hidden = false;
form.oninput = filter;
form.onsubmit = event => event.preventDefault();
addEventListener("toggle", event => { build(event.target); if (fits.has(event.target)) hide(event.target); }, true);
const open = () => {
  const id = location.hash.slice(1);
  const within = part => folded(part)?.textContent.includes(`id="${id}"`);
  if (id && !document.getElementById(id)) [...document.querySelectorAll("details.block")].filter(within).forEach(build);
  const target = id && document.getElementById(id);
  for (let one = target; one; one = one.parentElement) if (one.tagName === "DETAILS") { one.open = true; one.hidden = false; }
  const summary = target && target.parentElement.querySelector(":scope > summary");
  if (summary) { summary.scrollIntoView(); summary.focus(); }
};
addEventListener("hashchange", open);
// A second click on the link of an answer that was closed since changes no hash.
addEventListener("click", event => { if (event.target.closest?.("a[href]")?.hash === location.hash) open(); });
open();
