// Contract: the operations, how far they were touched, and one of them to try.
import { ask, html, inScope, linkTo, scope, useAsked, useCell, useEffect, useMemo, useState } from "./core.js";
import { Body, Failure, Json, Status, useAction } from "./parts.js";
import { Findings, marksOf } from "./findings.js";
import { traffic } from "./traffic.js";

/** How each operation was touched: how often, how often something was wrong, and with which statuses. */
function tally(rows) {
  const found = new Map();
  for (const row of rows) {
    if (!row.operation) continue;
    const touch = found.get(row.operation) || { count: 0, failed: 0, statuses: new Set() };
    touch.count += 1;
    touch.failed += row.fault || row.status >= 500 ? 1 : 0;
    touch.statuses.add(row.status);
    found.set(row.operation, touch);
  }
  return found;
}
const UNTOUCHED = { count: 0, failed: 0, statuses: new Set() };

const Touched = ({ touch }) => touch.count === 0
  ? html`<span class="badge untouched">never touched</span>`
  : touch.failed ? html`<span class="badge failed">${touch.failed} of ${touch.count} failed</span>` : html`<span class="badge touched">${touch.count} touched</span>`;

export function Contract({ parts }) {
  const rows = useCell(traffic);
  const [value, error] = useAsked(() => ask("GET", "contract"), []);
  const [sought, seek] = useState("");
  const chosen = parts[0];
  const found = new Map();
  for (const contract of value ? value.contracts : []) {
    for (const [id, each] of Object.entries(contract.operations)) if (!found.has(id)) found.set(id, { id, ...each });
  }
  const words = sought.toLowerCase();
  const shown = [...found.values()].filter((each) => [each.id, each.method, each.path].join(" ").toLowerCase().includes(words));
  const touches = useMemo(() => tally(rows), [rows]);
  const touched = [...found.keys()].filter((id) => touches.has(id)).length;
  return html`<div class=${"split" + (chosen ? " opened" : "")}>
    <section class="pane" aria-label="Operations">
      <div class="tools"><input id="search" type="search" placeholder="Search  ( / )" aria-label="Search operations" value=${sought} onInput=${(event) => seek(event.target.value)} />
        <span class="quiet">${touched} of ${found.size} touched</span></div>
      <${Failure} error=${error} />
      <ul class="operations">${shown.map((each) => html`<li key=${each.id}><a href=${linkTo("contract", each.id)} aria-current=${each.id === chosen ? "page" : undefined}>
        <span class="method">${each.method}</span><span class="target">${each.path}<br /><span class="quiet">${each.id}</span></span><${Touched} touch=${touches.get(each.id) || UNTOUCHED} /></a></li>`)}</ul>
    </section>
    ${chosen && html`<${Opened} key=${chosen} id=${chosen} touch=${touches.get(chosen) || UNTOUCHED} />`}
  </div>`;
}

function Opened({ id, touch }) {
  const [turn, setTurn] = useState(0);
  const [value, error] = useAsked(async () => ({ ...(await ask("GET", `operations/${encodeURIComponent(id)}?turn=${turn}`)), turn }), [id, turn]);
  return html`<section class="pane detail" aria-label=${"Operation " + id}>
    <div class="tools"><a class="button" href=${linkTo("contract")} aria-label="Close the operation">Close</a>
      <a class="button" href=${linkTo("stubs", "for", id)}>Make a stub</a></div>
    <${Failure} error=${error} />
    ${value && html`<${Operation} value=${value} touch=${touch} />
      <${Try} key=${value.turn} value=${value} again=${() => setTurn(turn + 1)} /><${Replies} value=${value} touch=${touch} />`}
  </section>`;
}

const Operation = ({ value, touch }) => html`<h2><span class="method">${value.method}</span> ${value.path} <${Touched} touch=${touch} /></h2>
  <p class="quiet">${value.id}, ${value.contract}${value.deprecated ? ", deprecated" : ""}</p>
  ${value.summary && html`<p><strong>${value.summary}</strong></p>`}
  ${value.description && value.description !== value.summary && html`<p class="prose">${value.description}</p>`}
  ${value.problems.map((text) => html`<div class="failure">${text}</div>`)}`;

const Replies = ({ value, touch }) => html`<h3>Answers</h3>${value.replies.map((reply) => {
  const seen = [...touch.statuses].some((status) => reply.status === String(status) || (reply.status[1] === "X" && reply.status[0] === String(status)[0]));
  return html`<details><summary>${reply.status} ${reply.media.map((each) => each.type).join(", ")} ${seen ? html`<span class="badge touched">touched</span>` : html`<span class="badge untouched">never touched</span>`}</summary>
    ${reply.media.map((each) => html`<${Json} value=${each.schema} label=${"Schema of answer " + reply.status} />`)}</details>`;
})}`;

const written = (value) => (value === null || value === undefined ? "" : typeof value === "string" ? value : JSON.stringify(value));

/** The request that a filled form makes. */
function requestOf(value, fields, body) {
  let path = value.path;
  const query = [];
  const headers = [];
  value.parameters.forEach((each, index) => {
    const text = fields[index];
    if (each.in === "path") path = path.replaceAll(`{${each.name}}`, encodeURIComponent(text));
    else if (text === "") return;
    else if (each.in === "query") for (const one of itemsOf(text)) query.push([each.name, one]);
    else if (each.in === "header") headers.push([each.name, text]);
  });
  if (value.body && body !== "") headers.push(["content-type", value.body.type]);
  return { method: value.method, path, query: new URLSearchParams(query).toString(), headers, body: value.body ? body : "" };
}

function itemsOf(text) {
  try {
    const value = JSON.parse(text);
    return Array.isArray(value) ? value.map(written) : [text];
  } catch {
    return [text];
  }
}

/** The properties that a form can show: those of a body that is an object. */
const propertiesOf = (schema) => {
  const parts = schema && typeof schema === "object" ? [schema, ...(schema.allOf || [])] : [];
  return Object.assign({}, ...parts.map((each) => (each && each.properties) || {}));
};
const parsedObject = (text) => {
  try {
    const value = text === "" ? {} : JSON.parse(text);
    return value && typeof value === "object" && !Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
};

/** A field for each property of the body; what stands in them is written into its JSON, and only there. */
function Properties({ schema, body, setBody, wrong }) {
  const known = Object.entries(propertiesOf(schema));
  const value = parsedObject(body);
  if (!known.length || !value) return null;
  const required = new Set(schema.required || []);
  const change = (name, each, text) => {
    const rest = { ...value };
    if (text === "" && !required.has(name)) delete rest[name];
    else rest[name] = valueOf(each, text);
    setBody(JSON.stringify(rest, null, 2));
  };
  return html`<fieldset class="card"><legend>Fields of the body</legend>${known.map(([name, each]) => {
    const choices = each && Array.isArray(each.enum) ? each.enum.map(written) : null;
    const text = written(value[name]);
    const label = html`${name} <span class="quiet">${required.has(name) ? "required" : "optional"}${typeOf(each)}</span>`;
    const finding = wrong("/body/" + name);
    return html`<label class="field">${label}${choices
      ? html`<select aria-label=${name} value=${text} onChange=${(event) => change(name, each, event.target.value)}><option value=""></option>${choices.map((one) => html`<option value=${one}>${one}</option>`)}</select>`
      : html`<input value=${text} aria-invalid=${finding ? "true" : undefined} onInput=${(event) => change(name, each, event.target.value)} />`}
      ${finding && html`<span class="note">${finding.message}</span>`}</label>`;
  })}</fieldset>`;
}

/** What a text of a field means: JSON where the schema is not of texts, else the text. */
function valueOf(schema, text) {
  const types = [].concat((schema && schema.type) || []);
  if (types.includes("string") && !types.includes("null")) return text;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function Try({ value: given, again }) {
  const value = useMemo(() => ({ ...given, parameters: given.parameters.filter((each) => each.in !== "cookie") }), [given]); // a page sets no cookies
  const bodyText = (each) => (each === null || each === undefined ? "" : typeof each === "string" ? each : JSON.stringify(each, null, 2));
  const [fields, setFields] = useState(value.parameters.map((each) => written(each.value)));
  const [body, setBody] = useState(value.body ? bodyText(value.body.value) : "");
  const [judged, setJudged] = useState({ findings: [], places: [] });
  const [answer, setAnswer] = useState(null);
  const [run, error] = useAction();
  const here = useCell(scope);
  const request = requestOf(value, fields, body);
  const key = JSON.stringify(request);
  useEffect(() => {
    let wanted = true;
    const timer = setTimeout(() => ask("POST", "judge", key).then((found) => wanted && setJudged(found), () => {}), 200);
    return () => { wanted = false; clearTimeout(timer); };
  }, [key, here]);
  const send = (event) => {
    event.preventDefault();
    run(async () => {
      const { method, path, query, headers } = request;
      const init = { method, headers };
      if (request.body) init.body = request.body;
      const response = await fetch(inScope(path + (query ? "?" + query : "")), init);
      const text = await response.text();
      setAnswer({ status: response.status, body: text, size: 0 });
    });
  };
  const at = (where) => judged.findings.find((finding) => finding.where === where);
  const wrong = (each) => at(`/${each.in}/${each.name}`);
  return html`<form onSubmit=${send} aria-label="Try it"><h3>Try it</h3>
    ${value.parameters.map((each, index) => html`<label class="field">${each.name} <span class="quiet">in ${each.in}${each.required ? ", required" : ""}${typeOf(each.schema)}</span>
      <input value=${fields[index]} aria-invalid=${wrong(each) ? "true" : undefined} onInput=${(event) => setFields(fields.map((old, at) => (at === index ? event.target.value : old)))} />
      ${wrong(each) && html`<span class="note">${wrong(each).message}</span>`}</label>`)}
    ${value.body && html`<${Properties} schema=${value.body.schema} body=${body} setBody=${setBody} wrong=${at} />
      <label class="field">Body <span class="quiet">${value.body.type}${value.body.required ? ", required" : ""}</span>
      <textarea rows=${Math.min(24, Math.max(6, body.split("\n").length + 1))} spellcheck=${false} value=${body} onInput=${(event) => setBody(event.target.value)}></textarea></label>
      <div class="tools">${Object.entries(value.body.examples).map(([name, each]) => html`<button type="button" onClick=${() => setBody(bodyText(each))}>Example ${name}</button>`)}
      <button type="button" onClick=${again}>Generate another</button></div>
      <details><summary>Schema of the body</summary><${Json} value=${value.body.schema} label="Schema of the body" /></details>`}
    <div role="status" aria-label="What would be refused">${judged.findings.length
      ? html`<h4>This would be refused</h4><${Findings} findings=${judged.findings} places=${judged.places} />
        ${value.body && body && marksOf(judged.findings, "/body").length > 0 && html`<${Body} label="The body with what is wrong" message=${{ body, size: 0 }} marks=${marksOf(judged.findings, "/body")} />`}`
      : html`<p class="touched">The contract allows this request.</p>`}</div>
    <button class="main" type="submit">Send</button>
    <${Failure} error=${error} />
    ${answer && html`<section aria-label="Answer of the try"><h4>Answer <${Status} code=${answer.status} /></h4><${Body} label="Body of the answer" message=${answer} /></section>`}
  </form>`;
}

const typeOf = (schema) => {
  if (!schema || typeof schema !== "object") return "";
  const parts = [schema.type, schema.format, schema.enum && schema.enum.map(written).join(" | ")].filter(Boolean);
  return parts.length ? ", " + parts.join(" ") : "";
};
