// Parts of views: a list that draws only what is seen, bodies with marks, errors, and what copies a text.
import { html, news, say, useCell, useEffect, useRef, useState } from "./core.js";
import { MOST_LINES, lineOf, linesOf } from "./bodies.js";

const ROW = 30;
const BEYOND = 8;

/** A list of any length, of which only the rows in sight are drawn; arrows move, Enter opens. */
export function VirtualList({ rows, label, draw, keyOf, chosen, choose, follow }) {
  const box = useRef(null);
  const [top, setTop] = useState(0);
  const [height, setHeight] = useState(400);
  const held = useRef(true);
  const at = rows.findIndex((row) => keyOf(row) === chosen);
  useEffect(() => {
    const watch = new ResizeObserver(() => box.current && setHeight(box.current.clientHeight));
    watch.observe(box.current);
    return () => watch.disconnect();
  }, []);
  useEffect(() => {
    if (follow && held.current) box.current.scrollTop = rows.length * ROW;
  }, [rows.length, height]);
  const show = (index) => {
    const list = box.current;
    if (index * ROW < list.scrollTop) list.scrollTop = index * ROW;
    if ((index + 1) * ROW > list.scrollTop + list.clientHeight) list.scrollTop = (index + 1) * ROW - list.clientHeight;
  };
  const onKeyDown = (event) => {
    const page = Math.max(1, Math.floor(height / ROW) - 1);
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -rows.length, End: rows.length }[event.key];
    if (step === undefined || !rows.length) return;
    event.preventDefault();
    const from = at < 0 ? (step > 0 ? -1 : rows.length) : at;
    const next = Math.min(rows.length - 1, Math.max(0, from + step));
    choose(rows[next]);
    show(next);
  };
  const onScroll = () => {
    const list = box.current;
    held.current = list.scrollTop + list.clientHeight >= list.scrollHeight - ROW;
    setTop(list.scrollTop);
  };
  const first = Math.max(0, Math.floor(top / ROW) - BEYOND);
  const last = Math.min(rows.length, Math.ceil((top + height) / ROW) + BEYOND);
  const id = (row) => "row-" + keyOf(row);
  const seen = at >= first && at < last;
  return html`<div class="list" ref=${box} tabindex="0" role="listbox" aria-label=${label} onScroll=${onScroll}
      onKeyDown=${onKeyDown} aria-activedescendant=${seen ? id(rows[at]) : undefined}>
    <div role="presentation" style=${{ height: rows.length * ROW + "px", position: "relative" }}>
      ${rows.slice(first, last).map((row, index) => html`<div key=${keyOf(row)} id=${id(row)} role="option" class="row"
        aria-selected=${String(keyOf(row) === chosen)} aria-setsize=${rows.length} aria-posinset=${first + index + 1}
        style=${{ top: (first + index) * ROW + "px" }} onClick=${() => choose(row)}>${draw(row)}</div>`)}
    </div>
  </div>`;
}

/** A body, line by line; each mark {pointer, text} stands below its line. */
export function Body({ message, marks = [], label }) {
  const lines = linesOf(message);
  const below = new Map();
  for (const mark of marks) {
    const at = lineOf(lines, mark.pointer);
    below.set(at, [...(below.get(at) || []), mark]);
  }
  const notes = (at) => (below.get(at) || []).map((mark) => html`<span class="note" role="note">${mark.text}</span>`);
  const cut = message.body !== undefined && new Blob([message.body]).size < message.size;
  return html`<div class="code" role="region" aria-label=${label} tabindex="0">
    ${notes(-1)}
    ${lines.length === 0 && html`<span class="line quiet">no body</span>`}
    ${lines.slice(0, MOST_LINES).map((line, at) => html`<span class=${"line" + (below.has(at) ? " marked" : "")}>${
      "  ".repeat(line.depth)}${below.has(at) ? html`<mark>${line.text}</mark>` : line.text}</span>${notes(at)}`)}
    ${lines.length > MOST_LINES && html`<span class="line quiet">${lines.length - MOST_LINES} more lines</span>`}
    ${cut && html`<span class="line quiet">only the beginning of ${message.size} bytes is kept (--journal-body)</span>`}
  </div>`;
}

export function Json({ value, label }) {
  return html`<div class="code" role="region" aria-label=${label} tabindex="0">${
    (JSON.stringify(value, null, 2) || "").split("\n").map((text) => html`<span class="line">${text}</span>`)}</div>`;
}

/** What was wrong with what a user asked for. */
export function Failure({ error }) {
  if (!error) return null;
  const parts = error.parts || {};
  return html`<div class="failure" role="alert"><strong>${error.message}</strong>
    ${["where", "why", "fix"].filter((name) => parts[name]).map((name) => html`<div>${name}: ${parts[name]}</div>`)}</div>`;
}

export async function copy(text, what) {
  try {
    await navigator.clipboard.writeText(text);
    say(what + " is copied");
  } catch {
    say("this browser does not let the page copy: mark the text and copy it");
  }
}

export function Command({ title, text }) {
  return html`<details><summary>${title}</summary>
    <button type="button" onClick=${() => copy(text, title)}>Copy</button>
    <pre class="code" tabindex="0" aria-label=${title}>${text}</pre></details>`;
}

export function News() {
  const text = useCell(news);
  useEffect(() => {
    if (!text) return undefined;
    const timer = setTimeout(() => say(""), 6000);
    return () => clearTimeout(timer);
  }, [text]);
  return html`<div class=${"news" + (text ? " shown" : "")} role="status" aria-live="polite">${text}</div>`;
}

export const Status = ({ code }) => html`<span class=${"status s" + String(code)[0]}>${code}</span>`;

/** Run what a button asks for; its error is shown, its success is said. */
export function useAction() {
  const [error, set] = useState(null);
  const run = async (work, done) => {
    try {
      set(null);
      await work();
      if (done) say(done);
      return true;
    } catch (failed) {
      set(failed);
      return false;
    }
  };
  return [run, error];
}
