// Traffic: the exchanges as they come, and one of them opened.
import { Cell, ask, go, html, inScope, linkTo, origin, scope, useAsked, useCell, useMemo, useState } from "./core.js";
import { asCurl, asPython, eventsOf } from "./bodies.js";
import { Findings, marksOf } from "./findings.js";
import { Body, Command, Failure, Status, VirtualList, useAction } from "./parts.js";

const MOST = 20000;
export const traffic = new Cell([]);
export const link = new Cell("connecting");

let source = null;
/** Listen to the journal of the scope in force. */
export function listen() {
  if (source) source.close();
  traffic.set([]);
  link.set("connecting");
  source = new EventSource(inScope("/__mock__/events"));
  let first = true;
  source.onopen = () => { first = true; link.set("live"); };
  source.onerror = () => link.set("lost");
  source.onmessage = (event) => {
    link.set("live");
    const batch = JSON.parse(event.data);
    take(first && isAnother(batch.rows, traffic.value) ? { ...batch, forgotten: true } : batch);
    first = false;
  };
}

/** Whether the first rows after a break are of another run of the mock, whose numbers began again. */
function isAnother(rows, before) {
  const known = new Map(before.map((row) => [row.number, row.at]));
  return rows.some((row) => known.has(row.number) && known.get(row.number) !== row.at);
}

function take({ forgotten, skipped, rows }) {
  const before = forgotten ? [] : traffic.value;
  const last = before.length ? before[before.length - 1].number : 0;
  const fresh = rows.filter((row) => row.number > last);
  const gap = skipped && before.length ? [{ number: fresh.length ? fresh[0].number - 0.5 : last + 0.5, gap: skipped }] : [];
  traffic.set([...before, ...gap, ...fresh].slice(-MOST));
}

const time = (at) => at.slice(11, 23);
const target = (row) => row.path + (row.query ? "?" + row.query : "");
const faultName = (fault) => (typeof fault === "string" ? fault : Object.keys(fault).join());
const notesOf = (row) => [
  row.attempt ? "attempt " + (row.attempt + 1) : "",
  row.stub ? "stub " + row.stub : "",
  ...row.faults.map(faultName),
].filter(Boolean).join(", ");
function drawRow(row) {
  if (row.gap) return html`<span class="quiet">${row.gap} more came faster than they are shown</span>`;
  return html`<span class="time quiet">${time(row.at)}</span><span class="method">${row.method}</span>
    <span class="target">${target(row)}</span><span class="operation quiet">${row.operation || ""}</span>
    <${Status} code=${row.status} /><span class="whose" title=${row.message || ""}>${row.fault && html`<span class="hidden">fault of the </span>${row.fault}`}</span><span class="notes quiet">${notesOf(row)}</span>`;
}

const matches = (row, words, kind) => {
  if (row.gap) return !words.length && kind === "all";
  if (kind === "wrong" && !row.fault) return false;
  if (/\d/.test(kind) && String(row.status)[0] !== kind[0]) return false;
  const text = [row.method, target(row), row.operation, row.status, row.fault, row.message, notesOf(row)].join(" ").toLowerCase();
  return words.every((word) => text.includes(word));
};

const KINDS = [["all", "All"], ["wrong", "With something wrong"], ["2xx", "2xx"], ["3xx", "3xx"], ["4xx", "4xx"], ["5xx", "5xx"]];

export function Traffic({ parts }) {
  const rows = useCell(traffic);
  const state = useCell(link);
  const [sought, seek] = useState("");
  const [kind, setKind] = useState("all");
  const [run, error] = useAction();
  const chosen = Number(parts[0]) || null;
  const shown = useMemo(() => {
    const words = sought.toLowerCase().split(/\s+/).filter(Boolean);
    return words.length || kind !== "all" ? rows.filter((row) => matches(row, words, kind)) : rows;
  }, [rows, sought, kind]);
  const forget = () => confirm("Forget all exchanges of this scope?") && run(async () => {
    await ask("DELETE", "journal");
    traffic.set([]);
    go("traffic");
  }, "all exchanges are forgotten");
  return html`<div class=${"split" + (chosen ? " opened" : "")}>
    <section class="pane" aria-label="Exchanges">
      <div class="tools">
        <input id="search" type="search" placeholder="Search  ( / )" aria-label="Search exchanges" value=${sought} onInput=${(event) => seek(event.target.value)} />
        <select aria-label="Which exchanges" value=${kind} onChange=${(event) => setKind(event.target.value)}>
          ${KINDS.map(([value, name]) => html`<option value=${value}>${name}</option>`)}</select>
        <span class="count quiet">${shown.length}${shown.length === rows.length ? "" : " of " + rows.length}, ${CONNECTION[state]}</span>
        <button type="button" onClick=${forget}>Forget</button>
      </div>
      <${Failure} error=${error} />
      ${rows.length === 0 && html`<${Empty} />`}
      <${VirtualList} rows=${shown} label="Exchanges" keyOf=${(row) => row.number} chosen=${chosen} follow=${true}
        choose=${(row) => row.gap || go("traffic", String(row.number))} draw=${drawRow} />
    </section>
    ${chosen && html`<${Opened} key=${chosen} number=${chosen} rows=${rows} />`}
  </div>`;
}

function Empty() {
  const [contract] = useAsked(() => ask("GET", "contract"), []);
  if (contract && contract.journal_size === 0) return html`<p class="empty">This mock keeps no journal (--journal-size 0): there is nothing to show.</p>`;
  return html`<p class="empty">Nothing has come yet. Send a request to <code>${origin}</code>, or try an operation under <a href=${linkTo("contract")}>Contract</a>.</p>`;
}

const CONNECTION = { live: "live", connecting: "connecting", lost: "the mock does not answer" };

function Opened({ number, rows }) {
  const [value, error] = useAsked(() => ask("GET", "journal/" + number), [number]);
  return html`<section class="pane detail" aria-label=${"Exchange " + number}>
    <div class="tools"><a class="button" href=${linkTo("traffic")} aria-label="Close the exchange">Close</a>
      <a class="button" href=${linkTo("stubs", "from", String(number))}>Make a stub</a></div>
    <${Failure} error=${error} />
    ${value && html`<${Exchange} value=${value} rows=${rows} />`}
  </section>`;
}

function Exchange({ value, rows }) {
  const { exchange, call, places, stubs } = value;
  const { request, answer } = exchange;
  const isStream = /event-stream/.test(headerOf(answer, "content-type"));
  return html`<h2><span class="method">${request.method}</span> ${target(request)} <${Status} code=${answer.status} /></h2>
    <p class="quiet">number ${exchange.number}, ${exchange.at}, ${exchange.operation || "no operation"}, ${exchange.contract.split("#")[0]}, ${exchange.source}${exchange.stub ? ", stub " + exchange.stub : ""}${exchange.faults.length ? ", with " + exchange.faults.map(faultName).join(", ") : ""}</p>
    ${call.length > 1 && html`<nav class="attempts" aria-label="Attempts of this call">Attempts of one call:
      ${call.map((each, index) => html`<a href=${linkTo("traffic", String(each))} aria-current=${each === exchange.number ? "page" : undefined}>
        ${index + 1}. ${statusOf(rows, each)}</a>`)}</nav>`}
    <${Findings} findings=${exchange.findings} places=${places} />
    <div class="sides">
      <section aria-label="Request"><h3>Request</h3>
        <${Fields} title="Path and query" rows=${[...Object.entries(request.values).map(([name, each]) => ["path", name, String(each)]), ...queryOf(request.query)]} findings=${exchange.findings} />
        <${Fields} title="Headers" rows=${request.headers.map(([name, text]) => ["header", name, text])} findings=${exchange.findings} folded />
        <${Body} label="Request body" message=${request} marks=${marksOf(exchange.findings, "/body")} />
      </section>
      <section aria-label="Answer"><h3>Answer</h3>
        <${Fields} title="Headers" rows=${answer.headers.map(([name, text]) => ["answer", name, text])} findings=${[]} folded />
        ${isStream ? html`<${Events} answer=${answer} />` : html`<${Body} label="Answer body" message=${answer} marks=${marksOf(exchange.findings, "/response/body")} />`}
      </section>
    </div>
    ${stubs.length > 0 && html`<h3>Nearest stubs</h3>${stubs.map((stub) => html`<${Compared} stub=${stub} answered=${stub.number === exchange.stub} />`)}`}
    <h3>Send it again</h3>
    <${Command} title="curl" text=${asCurl(request, origin + prefix())} />
    <${Command} title="Python" text=${asPython(request, origin + prefix())} />`;
}

const prefix = () => (scope.value === "default" ? "" : "/scope/" + encodeURIComponent(scope.value));
const headerOf = (message, name) => (message.headers.find(([each]) => each.toLowerCase() === name) || ["", ""])[1];
const statusOf = (rows, number) => (rows.find((row) => row.number === number) || { status: "" }).status;
const queryOf = (query) => [...new URLSearchParams(query)].map(([name, text]) => ["query", name, text]);
function Fields({ title, rows, findings, folded }) {
  if (!rows.length) return null;
  const wrong = (part, name) => findings.find((each) => new RegExp("^/" + part + "s?/").test(each.where) && each.where.split("/")[2].toLowerCase() === name.toLowerCase());
  const table = html`<table class="fields"><tbody>${rows.map(([part, name, text]) => {
    const finding = part !== "answer" && wrong(part, name);
    return html`<tr class=${finding ? "marked" : ""}><th scope="row">${name}</th><td>${finding ? html`<mark>${text}</mark>` : text}
      ${finding && html`<span class="note" role="note">${finding.message}</span>`}</td></tr>`;
  })}</tbody></table>`;
  if (!folded) return html`<h4>${title}</h4>${table}`;
  const marked = rows.some(([part, name]) => part !== "answer" && wrong(part, name));
  return html`<details open=${marked}><summary>${title} (${rows.length})</summary>${table}</details>`;
}

function Events({ answer }) {
  const events = eventsOf(answer.body || "");
  const times = answer.times || [];
  return html`<ol class="events" aria-label="Events of the stream">${events.map((each, index) => html`<li>
    ${times[index] !== undefined && html`<span class="time quiet">+${(times[index] / 1000).toFixed(3)} s</span>`} ${each.kind && html`<strong>${each.kind}</strong>`}
    <${Body} label=${"Event " + (index + 1)} message=${{ body: each.data, size: 0 }} /></li>`)}</ol>`;
}

function Compared({ stub, answered }) {
  const what = answered ? "this stub answered" : stub.differences.length ? "did not match" : "matches, but was used up or another came first";
  return html`<div class="compared"><a href=${linkTo("stubs", String(stub.number))}>${stub.description}</a>: ${what}
    ${stub.differences.length > 0 && html`<table class="fields"><thead><tr><th scope="col">where</th><th scope="col">expected</th><th scope="col">received</th></tr></thead>
      <tbody>${stub.differences.map((each) => html`<tr><th scope="row">${each.where}</th><td>${each.expected}</td><td>${each.received}</td></tr>`)}</tbody></table>`}</div>`;
}
