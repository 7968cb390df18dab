// Reports of checks: what was found, with how to see it again; also as a file of its own.
import { askLines, html, say, scope, useCell, useState } from "./core.js";
import { Command, Failure, useAction } from "./parts.js";

const plain = (value) => (typeof value === "string" ? value : JSON.stringify(value));
const LEVELS = [["all", "All"], ["error", "Errors"], ["warning", "Warnings"], ["note", "Notes"]];

/** Words for the outcome, as the terminal has them. */
function verdictOf(report) {
  const errors = report.problems.filter((each) => each.level === "error").length;
  const others = report.problems.length - errors;
  return [errors ? `${errors} problem${errors === 1 ? "" : "s"}` : "nothing wrong", others ? `${others} to note` : "", report.interrupted ? "interrupted" : ""].filter(Boolean).join(", ");
}

/** How a cell looks that begins with the verdict of a matrix. */
const LOOKS = [["handled", "good"], ["MISHANDLED", "bad"], ["NOT IN CONTRACT", "bad"], ["NOT RUN", "bad"], ["NEVER EXERCISED", "silent"]];
const lookOf = (cell) => (LOOKS.find(([words]) => cell.startsWith(words)) || [])[1];

export function Report({ report }) {
  const [sought, seek] = useState("");
  const [level, setLevel] = useState("all");
  const words = sought.toLowerCase();
  const shown = report.problems.filter((each) => (level === "all" || each.level === level) && JSON.stringify([each.rule, each.message, each.operation, each.where, each.contract]).toLowerCase().includes(words));
  return html`<section class="report" aria-label="Report"><h2>${report.command}: ${report.subject}</h2>
    <p class=${report.clean ? "verdict touched" : "verdict failed"}><strong>${verdictOf(report)}</strong></p>
    <dl class="figures">${Object.entries(report.figures).map(([name, value]) => html`<div><dt>${name}</dt><dd>${plain(value)}</dd></div>`)}</dl>
    ${report.problems.length > 0 && html`<h3>Problems</h3><div class="tools"><input id="search" type="search" placeholder="Search  ( / )" aria-label="Search problems" value=${sought} onInput=${(event) => seek(event.target.value)} />
      <select aria-label="Which problems" value=${level} onChange=${(event) => setLevel(event.target.value)}>${LEVELS.map(([value, name]) => html`<option value=${value}>${name}</option>`)}</select>
      <span class="quiet" role="status">${shown.length} of ${report.problems.length}</span></div>
      <ol class="stubs" aria-label="Problems">${shown.map((each) => html`<li class=${"card of-" + each.level}><${Problem} problem=${each} rule=${report.rules[each.rule]} /></li>`)}</ol>`}
    ${report.tables.map((table) => html`<h3>${table.title}</h3><div class="scrolled" tabindex="0" role="region" aria-label=${table.title || "Table"}><table class="grid"><thead><tr>${table.columns.map((each) => html`<th scope="col">${each}</th>`)}</tr></thead>
      <tbody>${table.rows.map((row) => html`<tr>${row.map((cell) => html`<td class=${lookOf(cell)}>${cell}</td>`)}</tr>`)}</tbody></table></div>${table.notes.map((each) => html`<p class="quiet">${each}</p>`)}`)}
    ${report.skipped.length > 0 && html`<details><summary>${report.skipped.length} not looked at</summary><ul>${report.skipped.map((each) => html`<li>${each.name}: ${each.why}</li>`)}</ul></details>`}
    ${report.passed.length > 0 && html`<details><summary>${report.passed.length} found right</summary><ul>${report.passed.map((each) => html`<li>${each}</li>`)}</ul></details>`}
    ${Object.keys(report.rules).length > 0 && html`<details><summary>${Object.keys(report.rules).length} rules</summary><dl>${Object.entries(report.rules).map(([name, text]) => html`<dt>${name}</dt><dd>${text}</dd>`)}</dl></details>`}
  </section>`;
}

const Problem = ({ problem, rule }) => html`<strong>${problem.message}</strong>
  <div><span class=${"badge " + (problem.level === "error" ? "failed" : "untouched")}>${problem.level}</span> ${problem.rule}${problem.operation ? " in " + problem.operation : ""}, fault of the ${problem.fault}${problem.count > 1 ? `, seen in ${problem.count} cases` : ""}</div>
  ${rule && html`<div class="quiet">${rule}</div>`}
  ${["where", "expected", "received", "contract"].filter((name) => problem[name] !== null && problem[name] !== "").map((name) => html`<div>${name} <code>${plain(problem[name])}</code></div>`)}
  ${problem.reproduction && html`<${Command} title="curl" text=${problem.reproduction.curl} /><${Command} title="Python" text=${problem.reproduction.python} />`}`;

export function Check() {
  const here = useCell(scope);
  const [url, setUrl] = useState("");
  const [examples, setExamples] = useState("100");
  const [readOnly, setReadOnly] = useState(false);
  const [remote, setRemote] = useState(false);
  const [progress, setProgress] = useState("");
  const [report, setReport] = useState(null);
  const [stop, setStop] = useState(null);
  const [run, error] = useAction();
  const start = async (event) => {
    event.preventDefault();
    const control = new AbortController();
    setStop(control);
    setReport(null);
    setProgress("it begins");
    await run(async () => {
      const body = { examples: Number(examples), read_only: readOnly, ...(url ? { url, allow_remote: remote } : {}) };
      try {
        await askLines("check", body, control.signal, (line) => {
          if (line.progress !== undefined) setProgress(line.progress);
          if (line.report) {
            setReport(line.report);
            say("the check is done: " + verdictOf(line.report));
          }
          if (line.error) throw Object.assign(new Error(line.error.detail), { parts: line.error });
        });
      } catch (failed) {
        if (!control.signal.aborted) throw failed;
      }
    });
    setStop(null);
    setProgress(control.signal.aborted ? "it was stopped" : "");
  };
  const open = (event) => {
    const [file] = event.target.files;
    if (file) run(async () => setReport(readReport(JSON.parse(await file.text()))));
    event.target.value = "";
  };
  return html`<div class="page"><form aria-label="Check" onSubmit=${start}>
    <label class="field">Server <span class="quiet">its address; empty for this mock</span><input type="url" placeholder="http://127.0.0.1:8000" value=${url} onInput=${(event) => setUrl(event.target.value)} /></label>
    <label class="field">Requests that are drawn<input type="number" min="0" max="100000" value=${examples} onInput=${(event) => setExamples(event.target.value)} /></label>
    <label><input type="checkbox" checked=${readOnly} onChange=${(event) => setReadOnly(event.target.checked)} /> Ask only for what changes nothing</label>
    ${url && html`<label><input type="checkbox" checked=${remote} onChange=${(event) => setRemote(event.target.checked)} /> It may be on another machine</label>`}
    <div class="tools"><button class="main" type="submit" disabled=${stop !== null}>Check</button>${stop && html`<button type="button" onClick=${() => stop.abort()}>Stop</button>`}
      <label class="button">Open a report <input class="hidden" type="file" accept=".json" onChange=${open} /></label></div></form>
    <p class="quiet">A mock is checked in a scope of its own, by the contract that this one serves. Scope ${here} stays as it is.</p>
    <div role="status" aria-live="off" aria-label="Progress">${progress}</div>${stop && html`<progress aria-label="The check runs"></progress>`}
    <${Failure} error=${error} />
    ${report && html`<${Report} report=${report} />`}</div>`;
}

/** A report as `--report json` writes it; other files are refused. */
function readReport(value) {
  if (!value || value.format !== 1 || !Array.isArray(value.problems)) throw Object.assign(new Error("this file is no report"), { parts: { fix: "make one with --report json=FILE" } });
  return value;
}
