// Records and scopes: what is kept, changed as a whole, saved as a snapshot and put back.
import { ask, go, html, linkTo, scope, useAsked, useCalm, useCell, useState } from "./core.js";
import { memberText } from "./bodies.js";
import { Failure, VirtualList, useAction } from "./parts.js";
import { traffic } from "./traffic.js";

const MOST = 20000;
const pathOf = ({ collection, id }) => `records/${encodeURIComponent(collection)}?id=${encodeURIComponent(id)}`;
const keyOf = (record) => record.collection + "/" + record.id;

/** What the scope keeps: its collections with their counts, and their records, as many as a page shows. */
async function everything() {
  const { collections } = await ask("GET", "records");
  const records = [];
  for (const { name } of collections) {
    for (let after = 0; after !== null && records.length < MOST;) {
      const page = await ask("GET", `records/${encodeURIComponent(name)}?after=${after}`);
      records.push(...page.records.map((each) => ({ collection: name, ...each, text: JSON.stringify(each.data) })));
      after = page.after;
    }
  }
  return { collections, records };
}

export function Records({ parts }) {
  const rows = useCell(traffic);
  const here = useCell(scope);
  const [value, error, again] = useAsked(everything, [useCalm(rows, 5000)]);
  const [sought, seek] = useState("");
  const [run, failed] = useAction();
  const records = value ? value.records : [];
  const words = sought.toLowerCase();
  const shown = records.filter((each) => (keyOf(each) + each.text).toLowerCase().includes(words));
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
  const counts = value ? value.collections.map((each) => `${each.records} ${each.name}`).join(", ") : "";
  return html`<div class=${"split" + (record ? " opened" : "")}>
    <section class="pane" aria-label="Records">
      <div class="tools"><input id="search" type="search" placeholder="Search  ( / )" aria-label="Search records" value=${sought} onInput=${(event) => seek(event.target.value)} />
        <span class="quiet" role="status">${counts || "nothing is kept"}${records.length >= MOST ? `, the first ${MOST} are shown` : ""}</span>
        <button type="button" onClick=${save}>Save a snapshot</button>
        <label class="button">Restore a snapshot <input class="hidden" type="file" onChange=${restore} /></label></div>
      <${Failure} error=${error || failed} />
      <${VirtualList} rows=${shown} label="Records" keyOf=${keyOf} chosen=${chosen} choose=${(each) => go("records", each.collection, each.id)}
        draw=${(each) => html`<span class="collection">${each.collection}</span><span class="target">${each.id}</span><span class="operation quiet">${each.text}</span>`} />
    </section>
    ${record && html`<${Opened} key=${keyOf(record) + record.text} record=${record} again=${again} />`}
  </div>`;
}

function Opened({ record, again }) {
  const { collection, id, group } = record;
  const [raw, error] = useAsked(() => ask("GET", pathOf(record), undefined, { raw: true }), []);
  const [run, failed] = useAction();
  const remove = async () => {
    if (!confirm(`Delete ${id}?`) || !(await run(() => ask("DELETE", pathOf(record)), "the record is deleted"))) return;
    go("records");
    again();
  };
  return html`<section class="pane detail" aria-label=${"Record " + id}>
    <div class="tools"><a class="button" href=${linkTo("records")} aria-label="Close the record">Close</a><button type="button" onClick=${remove}>Delete</button></div>
    <h2>${id}</h2><p class="quiet">${collection}${group ? ", group " + group : ""}</p>
    <${Failure} error=${error || failed} />${raw !== undefined && html`<${Edit} record=${record} raw=${raw} again=${again} />`}
  </section>`;
}

function Edit({ record, raw, again }) {
  const [text, setText] = useState(memberText(raw, "data"));
  const [run, error] = useAction();
  const save = async (event) => {
    event.preventDefault();
    const done = await run(async () => {
      if ((await ask("GET", pathOf(record), undefined, { raw: true })) !== raw) throw new Error("the record has changed meanwhile: look at it again");
      await ask("PUT", pathOf(record), text);
    }, "the record is changed");
    if (done) again();
  };
  return html`<form onSubmit=${save}><label class="field">What is kept, as JSON<textarea rows="18" spellcheck=${false} value=${text} onInput=${(event) => setText(event.target.value)}></textarea></label>
    <${Failure} error=${error} /><button class="main" type="submit">Save</button></form>`;
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
    if (text !== null) act(() => ask("PUT", path(each), `{"seed": ${text}}`, { whole: true }), "the seed is set");
  };
  const names = value ? [...new Map([["default", 0], [scope.value, 0], ...value.scopes.map((each) => [each.name, each.records])])] : [];
  return html`<div class="page"><${Failure} error=${error || failed} />
    <form class="tools" aria-label="Go to a scope" onSubmit=${(event) => { event.preventDefault(); if (name) scope.set(name); go("traffic"); }}>
      <label>Go to a scope <input value=${name} onInput=${(event) => setName(event.target.value)} /></label><button type="submit">Go</button></form>
    <table class="grid"><caption class="hidden">Scopes</caption><thead><tr><th scope="col">Scope</th><th scope="col">Records</th><th scope="col">What to do</th></tr></thead>
      <tbody>${names.map(([each, records]) => html`<tr key=${each}><th scope="row">${each}${each === scope.value ? " (shown)" : ""}</th><td>${records}</td><td class="tools">
        <button type="button" onClick=${() => { scope.set(each); go("traffic"); }}>Show<span class="hidden"> ${each}</span></button>
        <button type="button" onClick=${() => seed(each)}>Set seed<span class="hidden"> of ${each}</span></button>
        <button type="button" onClick=${() => confirm(`Forget records, journal and stubs of ${each}?`) && act(() => ask("POST", path(each) + "/reset", undefined, { whole: true }), each + " is reset")}>Reset<span class="hidden"> ${each}</span></button>
        <button type="button" onClick=${() => confirm(`Forget all of ${each}, its seed too?`) && act(() => ask("DELETE", path(each), undefined, { whole: true }), each + " is forgotten")}>Forget<span class="hidden"> ${each}</span></button></td></tr>`)}</tbody></table>
    <p class="quiet">A request names its scope by the header X-Mock-Scope, or by /scope/NAME before its path.</p>
  </div>`;
}
