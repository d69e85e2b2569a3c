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
const answers = [...document.querySelectorAll("details.answer")];
const form = document.getElementById("filter");
if (form && answers.length) {
  form.hidden = false;
  const [words, outcome] = [form.elements.words, form.elements.outcome];
  for (const name of [...new Set(answers.map(one => one.dataset.outcome))].sort()) outcome.append(new Option(name, name));
  const texts = new Map();
  const text = one => { if (!texts.has(one)) texts.set(one, one.textContent.toLowerCase()); return texts.get(one); };
  const filter = () => {
    const wanted = words.value.trim().toLowerCase();
    let shown = 0;
    for (const one of answers) {
      one.hidden = (outcome.value && one.dataset.outcome !== outcome.value) || (wanted && !text(one).includes(wanted));
      shown += one.hidden ? 0 : 1;
    }
    for (const block of document.querySelectorAll("details.block")) {
      block.hidden = !block.querySelector("details.answer:not([hidden])");
      block.open = Boolean(wanted || outcome.value);
    }
    document.getElementById("shown").textContent = `${shown} of ${answers.length} answers`;
  };
  form.oninput = filter;
  form.onsubmit = event => event.preventDefault();
  filter();
}
const open = () => {
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  for (let one = target; one; one = one.parentElement) if (one.tagName === "DETAILS") { one.open = true; one.hidden = false; }
  const summary = target && target.parentElement.querySelector(":scope > summary");
  if (summary) { summary.scrollIntoView(); summary.focus(); }
};
addEventListener("hashchange", open);
// A second click on the link of an answer that was closed since changes no hash.
addEventListener("click", event => { if (event.target.closest?.("a[href]")?.hash === location.hash) open(); });
open();
