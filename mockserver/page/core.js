// What all views share: rendering, calls of the Admin API, the scope in force, and the place in the page's address.
import { h, render } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import htm from "htm";

export { render, useEffect, useMemo, useRef, useState };
export const html = htm.bind(h);

/** A value that views listen to. */
export class Cell {
  constructor(value) {
    this.value = value;
    this.listeners = new Set();
  }
  set(value) {
    this.value = value;
    for (const each of [...this.listeners]) each(value);
  }
}

export function useCell(cell) {
  const [, draw] = useState(0);
  const drawn = cell.value;
  useEffect(() => {
    const listener = () => draw((count) => count + 1);
    cell.listeners.add(listener);
    if (cell.value !== drawn) listener(); // it changed between the drawing and now
    return () => cell.listeners.delete(listener);
  }, [cell]);
  return cell.value;
}

const placeNow = () => location.hash.replace(/^#\/?/, "").split("/").map(decoded);
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
export const place = new Cell(placeNow());
addEventListener("hashchange", () => place.set(placeNow()));
export const linkTo = (...parts) => "#/" + parts.map(encodeURIComponent).join("/");
export const go = (...parts) => {
  location.hash = linkTo(...parts);
  place.set(placeNow()); // the browser tells of it only later
};

const scopeOfAddress = /\/scope\/([^/]+)\/__mock__\/$/.exec(location.pathname);
export const scope = new Cell(scopeOfAddress ? decoded(scopeOfAddress[1]) : "default");
const base = location.pathname.replace(/(\/scope\/[^/]+)?\/__mock__\/$/, "");
export const origin = location.origin + base;

/** The address of a path of the mock, in the scope in force. */
export const inScope = (path) => base + (scope.value === "default" ? "" : "/scope/" + encodeURIComponent(scope.value)) + path;

/** What the mock says was wrong with a call: detail, where, why, fix. */
export class Refused extends Error {
  constructor(status, parts) {
    super(parts.detail || "the mock answered " + status);
    this.parts = parts;
  }
}

/** Call a route of the Admin API below /__mock__/, of all scopes if `whole`; a body that is no text is sent as JSON. */
export async function ask(method, path, body, { whole = false, raw = false } = {}) {
  const init = { method, headers: whole ? {} : { "x-mock-scope": scope.value } };
  if (body !== undefined) init.body = typeof body === "string" ? body : JSON.stringify(body);
  let response;
  try {
    response = await fetch(base + "/__mock__/" + path, init);
  } catch {
    throw new Refused(0, { detail: "the mock cannot be reached", fix: "see that it still runs" });
  }
  const text = await response.text();
  const isJson = (response.headers.get("content-type") || "").startsWith("application/json");
  if (raw && response.ok) return text;
  const value = isJson && text ? JSON.parse(text) : text;
  if (!response.ok) throw new Refused(response.status, isJson ? value : {});
  return value;
}

/** Call a route that answers line by line, each JSON; `take` is given each as it comes. */
export async function askLines(path, body, signal, take) {
  const response = await fetch(base + "/__mock__/" + path, { method: "POST", body: JSON.stringify(body), signal });
  if (!response.ok) throw new Refused(response.status, JSON.parse(await response.text()));
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    const lines = (rest + (value || "")).split("\n");
    rest = lines.pop();
    for (const line of lines) if (line) take(JSON.parse(line));
    if (done) return;
  }
}

/** A value that is asked for when a view opens, and again when `keys` change: [value, error, again]. */
export function useAsked(load, keys) {
  const [state, set] = useState([undefined, undefined]);
  const [turn, setTurn] = useState(0);
  const here = useCell(scope);
  useEffect(() => {
    let wanted = true;
    load().then(
      (value) => wanted && set([value, undefined]),
      (error) => wanted && set([undefined, error]),
    );
    return () => { wanted = false; };
  }, [here, turn, ...keys]);
  return [...state, () => setTurn((count) => count + 1)];
}

/** A value that changes often, but not more often than every so many milliseconds. */
export function useCalm(value, pause) {
  const [calm, set] = useState(value);
  const last = useRef(0);
  useEffect(() => {
    const timer = setTimeout(() => { last.current = Date.now(); set(value); }, Math.max(0, last.current + pause - Date.now()));
    return () => clearTimeout(timer);
  }, [value]);
  return calm;
}

export const news = new Cell("");
/** Say something to those who look and those who listen. */
export const say = (text) => news.set(text);
