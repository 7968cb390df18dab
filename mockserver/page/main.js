// The frame: which view is shown, in which scope, and the keys that lead there.
import { ask, html, linkTo, place, render, scope, useAsked, useCell, useEffect } from "./core.js";
import { News } from "./parts.js";
import { Contract } from "./contract.js";
import { Records, Scopes } from "./records.js";
import { Check, Report } from "./report.js";
import { Stubs } from "./stubs.js";
import { Traffic, link, listen } from "./traffic.js";

const VIEWS = [["traffic", "Traffic", Traffic], ["contract", "Contract", Contract], ["stubs", "Stubs", Stubs],
  ["records", "Records", Records], ["scopes", "Scopes", Scopes], ["check", "Check", Check]];

function Frame() {
  const [name, ...parts] = useCell(place);
  const view = VIEWS.find(([each]) => each === name) || VIEWS[0];
  const [, title, View] = view;
  useEffect(() => { document.title = title + " - mockserver"; }, [title]);
  return html`<a class="skip" href="#main" onClick=${(event) => { event.preventDefault(); document.getElementById("main").focus(); }}>Skip to the content</a>
    <header><h1>mockserver</h1>
      <nav aria-label="Views">${VIEWS.map(([each, text]) => html`<a href=${linkTo(each)} aria-current=${each === view[0] ? "page" : undefined}>${text}</a>`)}</nav>
      <${ScopeChoice} /></header>
    <main id="main" tabindex="-1"><${View} parts=${parts} /></main>
    <${News} />`;
}

function ScopeChoice() {
  const chosen = useCell(scope);
  const [value] = useAsked(() => ask("GET", "scopes"), [useCell(place)[0], useCell(link)]);
  const names = new Set(["default", chosen, ...(value ? value.scopes.map((each) => each.name) : [])]);
  return html`<label class="scope">Scope <select aria-label="Scope" value=${chosen} onChange=${(event) => scope.set(event.target.value)}>
    ${[...names].map((name) => html`<option value=${name}>${name}</option>`)}</select></label>`;
}

const isTyping = (target) => /^(input|textarea|select)$/i.test(target.tagName);
addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const search = document.getElementById("search");
  if (event.key === "/" && search && !isTyping(event.target)) {
    event.preventDefault();
    search.focus();
  }
  if (event.key === "Escape" && place.value[1] && !isTyping(event.target)) location.hash = linkTo(place.value[0]);
});

const kept = document.getElementById("report");
if (kept) {
  const report = JSON.parse(kept.textContent);
  document.title = report.command + " - mockserver";
  render(html`<main id="main" class="page" tabindex="-1"><h1>mockserver</h1><${Report} report=${report} /></main><${News} />`, document.getElementById("page"));
} else {
  scope.listeners.add(listen);
  listen();
  render(html`<${Frame} />`, document.getElementById("page"));
}
