// Records and scopes: what is kept, changed as a whole, saved as a snapshot and put back.
import { ask, go, html, linkTo, scope, useAsked, useCalm, useCell, useState } from "./core.js";
import { Failure, Json, VirtualList, useAction } from "./parts.js";
import { traffic } from "./traffic.js";

/** The saved state of the scope: its lines as they are, and the records among them. */
async function state() {
  const lines = (await ask("GET", "state")).split("\n").filter((line) => line.trim());
  const records = lines.slice(1).map((line, at) => ({ line, at: at + 1, value: JSON.parse(line) })).filter((each) => each.value.collection !== undefined);
  return { lines, records };
}
const keyOf = ({ value }) => value.collection + "/" + value.id;

/** Put the state back with another line for a record; null removes it. It is refused where the record changed meanwhile. */
async function replace(record, line) {
  const now = await state();
  const found = now.records.find((each) => each.line === record.line);
  if (!found) throw new Error("the record has changed meanwhile: look at it again");
  const lines = now.lines.map((each, at) => (at === found.at ? line : each)).filter((each) => each !== null);
  await ask("PUT", "state", lines.join("\n") + "\n");
}

export function Records({ parts }) {
  const rows = useCell(traffic);
  const here = useCell(scope);
  const [value, error, again] = useAsked(state, [useCalm(rows, 5000)]);
  const [sought, seek] = useState("");
  const [run, failed] = useAction();
  const records = value ? value.records : [];
  const words = sought.toLowerCase();
  const shown = records.filter((each) => each.line.toLowerCase().includes(words));
  const chosen = parts.length > 1 ? parts.join("/") : null;
  const record = records.find((each) => keyOf(each) === chosen);
  const save = () => run(async () => {
    const link = document.createElement("a");
    const address = URL.createObjectURL(new Blob([await ask("GET", "state")], { type: "application/x-ndjson" }));
    link.href = address;
    link.download = `mockserver-${here}.ndjson`;
    link.click();
    URL.revokeObjectURL(address);
  }, "the snapshot is saved");
  const restore = async (event) => {
    const [file] = event.target.files;
    if (file && await run(async () => ask("PUT", "state", await file.text()), "the snapshot is restored")) again();
    event.target.value = "";
  };
  const collections = new Map();
  for (const each of records) collections.set(each.value.collection, (collections.get(each.value.collection) || 0) + 1);
  return html`<div class=${"split" + (record ? " opened" : "")}>
    <section class="pane" aria-label="Records">
      <div class="tools"><input id="search" type="search" placeholder="Search  ( / )" aria-label="Search records" value=${sought} onInput=${(event) => seek(event.target.value)} />
        <span class="quiet" role="status">${[...collections].map(([name, count]) => `${count} ${name}`).join(", ") || "nothing is kept"}</span>
        <button type="button" onClick=${save}>Save a snapshot</button>
        <label class="button">Restore a snapshot <input class="hidden" type="file" onChange=${restore} /></label></div>
      <${Failure} error=${error || failed} />
      <${VirtualList} rows=${shown} label="Records" keyOf=${keyOf} chosen=${chosen} choose=${(each) => go("records", each.value.collection, each.value.id)}
        draw=${(each) => html`<span class="collection">${each.value.collection}</span><span class="target">${each.value.id}</span><span class="operation quiet">${JSON.stringify(each.value.data)}</span>`} />
    </section>
    ${record && html`<${Opened} key=${record.line} record=${record} again=${again} />`}
  </div>`;
}

function Opened({ record, again }) {
  const { collection, id, data, group, parts } = record.value;
  const [text, setText] = useState(JSON.stringify(data, null, 2));
  const [run, error] = useAction();
  const save = async (event) => {
    event.preventDefault();
    const done = await run(() => replace(record, JSON.stringify({ ...record.value, data: JSON.parse(text) })), "the record is changed");
    if (done) again();
  };
  const remove = async () => {
    if (!confirm(`Delete ${id}?`) || !(await run(() => replace(record, null), "the record is deleted"))) return;
    go("records");
    again();
  };
  return html`<section class="pane detail" aria-label=${"Record " + id}>
    <div class="tools"><a class="button" href=${linkTo("records")} aria-label="Close the record">Close</a><button type="button" onClick=${remove}>Delete</button></div>
    <h2>${id}</h2><p class="quiet">${collection}${group ? ", group " + group : ""}${parts.length ? `, ${parts.length} parts` : ""}</p>
    <form onSubmit=${save}><label class="field">What is kept, as JSON<textarea rows="18" spellcheck=${false} value=${text} onInput=${(event) => setText(event.target.value)}></textarea></label>
      <${Failure} error=${error} /><button class="main" type="submit">Save</button></form>
    ${parts.length > 0 && html`<details><summary>Its parts</summary><${Json} value=${parts} label="Parts of the record" /></details>`}
  </section>`;
}

export function Scopes() {
  const rows = useCell(traffic);
  const [value, error, again] = useAsked(() => ask("GET", "scopes"), [useCalm(rows, 2000)]);
  const [name, setName] = useState("");
  const [run, failed] = useAction();
  const act = async (work, done) => (await run(work, done)) && again();
  const path = (each) => "scopes/" + encodeURIComponent(each);
  const seed = (each) => {
    const text = prompt(`The seed of ${each}, a whole number:`);
    if (text !== null) act(() => ask("PUT", path(each), `{"seed": ${text}}`, true), "the seed is set");
  };
  const names = value ? [...new Map([["default", 0], [scope.value, 0], ...value.scopes.map((each) => [each.name, each.records])])] : [];
  return html`<div class="page"><${Failure} error=${error || failed} />
    <form class="tools" aria-label="Go to a scope" onSubmit=${(event) => { event.preventDefault(); if (name) scope.set(name); go("traffic"); }}>
      <label>Go to a scope <input value=${name} onInput=${(event) => setName(event.target.value)} /></label><button type="submit">Go</button></form>
    <table class="grid"><caption class="hidden">Scopes</caption><thead><tr><th scope="col">Scope</th><th scope="col">Records</th><th scope="col">What to do</th></tr></thead>
      <tbody>${names.map(([each, records]) => html`<tr key=${each}><th scope="row">${each}${each === scope.value ? " (shown)" : ""}</th><td>${records}</td><td class="tools">
        <button type="button" onClick=${() => { scope.set(each); go("traffic"); }}>Show<span class="hidden"> ${each}</span></button>
        <button type="button" onClick=${() => seed(each)}>Set seed<span class="hidden"> of ${each}</span></button>
        <button type="button" onClick=${() => confirm(`Forget records, journal and stubs of ${each}?`) && act(() => ask("POST", path(each) + "/reset", undefined, true), each + " is reset")}>Reset<span class="hidden"> ${each}</span></button>
        <button type="button" onClick=${() => confirm(`Forget all of ${each}, its seed too?`) && act(() => ask("DELETE", path(each), undefined, true), each + " is forgotten")}>Forget<span class="hidden"> ${each}</span></button></td></tr>`)}</tbody></table>
    <p class="quiet">A request names its scope by the header X-Mock-Scope, or by /scope/NAME before its path.</p>
  </div>`;
}
