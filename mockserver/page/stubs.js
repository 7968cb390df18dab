// Stubs: in the order in which they are asked, made from an exchange or an operation, changed, switched off.
import { ask, go, html, linkTo, useAsked, useCalm, useCell, useEffect, useState } from "./core.js";
import { Failure, useAction } from "./parts.js";
import { traffic } from "./traffic.js";

export const FAULTS = {
  "delay": "answer late", "slow-body": "send the body slowly", "close": "close the connection instead of an answer",
  "reset": "reset the connection instead of an answer", "reset-body": "reset the connection within the body",
  "truncate": "end the connection within the body", "malformed-json": "break the JSON", "empty-body": "send no body",
  "wrong-content-type": "name another content type", "wrong-charset": "name another charset", "break": "break the contract in one way",
  "cut-stream": "end a stream early", "stall-stream": "let a stream fall silent", "unknown-event": "add an event that no contract has",
};

const text = (value) => (value === undefined ? "" : JSON.stringify(value, null, 2));
const HELD = ["status", "times", "faults", "delay", "body"];
const rest = (answer) => Object.fromEntries(Object.entries(answer).filter(([name]) => !HELD.includes(name)));

/** An answer as the fields of the form. */
const asFields = (answer) => {
  const single = typeof answer.faults === "string" ? answer.faults : "";
  const others = single ? rest(answer) : { ...rest(answer), ...(answer.faults === undefined ? {} : { faults: answer.faults }) };
  return {
    status: answer.status === undefined || answer.status === null ? "" : String(answer.status), times: answer.times === undefined ? "1" : String(answer.times),
    fault: single, delay: text(answer.delay), body: text(answer.body), more: Object.keys(others).length ? text(others) : "",
  };
};

const parsed = (name, value) => {
  try {
    return JSON.parse(value);
  } catch (error) {
    throw new Error(`${name} is not JSON: ${error.message}`);
  }
};

/** The answer that the fields of the form make. */
function asAnswer(fields) {
  const answer = fields.more ? { ...parsed("More", fields.more) } : {};
  if (fields.status) answer.status = Number(fields.status);
  if (fields.times && fields.times !== "1") answer.times = fields.times === "always" ? "always" : Number(fields.times);
  if (fields.fault) answer.faults = fields.fault;
  if (fields.delay) answer.delay = parsed("Delay", fields.delay);
  if (fields.body) answer.body = parsed("Body", fields.body);
  return answer;
}

/** In which order the mock asks them: those that end, as they were made; then those that do not, the latest first. */
const inOrder = (stubs) => {
  const lasts = (stub) => stub.answers.some((each) => each.times === "always");
  return [...stubs.filter((stub) => !lasts(stub)), ...stubs.filter(lasts).reverse()];
};
const specOf = (stub) => Object.fromEntries(["operation", "when", "answers", "probability", "off"].filter((name) => stub[name] !== undefined).map((name) => [name, stub[name]]));

export function Stubs({ parts }) {
  const opened = ["new", "from", "for"].includes(parts[0]) || parts[1] === "edit";
  return opened ? html`<${Editor} key=${parts.join("/")} parts=${parts} />` : html`<${Listed} />`;
}

function Listed() {
  const rows = useCell(traffic);
  const [value, error, again] = useAsked(() => ask("GET", "stubs"), [useCalm(rows, 2000)]);
  const [run, failed] = useAction();
  const act = async (work, done) => (await run(work, done)) && again();
  const toggle = (stub) => act(() => ask("PUT", "stubs/" + stub.number, { ...specOf(stub), off: !stub.off }), stub.off ? "the stub is on" : "the stub is off");
  const remove = (stub) => act(() => ask("DELETE", "stubs/" + stub.number), "the stub is removed");
  const all = () => confirm("Remove all stubs of this scope?") && act(() => ask("DELETE", "stubs"), "all stubs are removed");
  return html`<div class="page"><div class="tools"><a class="button" href=${linkTo("stubs", "new")}>New stub</a><button type="button" onClick=${all}>Remove all</button></div>
    <${Failure} error=${error || failed} />
    ${value && value.stubs.length === 0 && html`<p>No stubs. Make one here, from an exchange under <a href=${linkTo("traffic")}>Traffic</a>, or from an operation under <a href=${linkTo("contract")}>Contract</a>.</p>`}
    ${value && value.stubs.length > 0 && html`<p class="quiet">The first that matches answers: those that end first, in the order in which they were made; then those without an end, the latest first.</p>`}
    <ol class="stubs" aria-label="Stubs">${value && value.stubs.length > 0 && inOrder(value.stubs).map((stub) => html`<li key=${stub.number} class=${"card" + (stub.off ? " off" : "")}>
      <strong>${stub.description}</strong> <span class="badge">${stub.uses} ${stub.uses === 1 ? "use" : "uses"}</span> ${stub.off && html`<span class="badge untouched">off</span>`}
      ${stub.probability !== undefined && html`<span class="badge">probability ${stub.probability}</span>`}
      <ol>${stub.answers.map((answer) => html`<li><code>${Object.keys(answer).length ? JSON.stringify(answer) : "as usual"}</code></li>`)}</ol>
      ${stub.unused && html`<details><summary>${stub.unused.length} of its answers unused</summary>${stub.nearest && html`<pre class="code">${stub.nearest.join("\n")}</pre>`}</details>`}
      ${stub.number < 0 ? html`<span class="quiet">of the file of stubs</span>` : html`<div class="tools"><a class="button" href=${linkTo("stubs", String(stub.number), "edit")}>Edit</a>
        <button type="button" onClick=${() => toggle(stub)}>${stub.off ? "Switch on" : "Switch off"}</button><button type="button" onClick=${() => remove(stub)}>Remove</button></div>`}</li>`)}</ol>
  </div>`;
}

/** What the editor begins with. */
async function begun([kind, id]) {
  if (kind === "new") return { operation: "*", when: {}, answers: [{}] };
  if (kind === "for") return { operation: id, when: {}, answers: [{}] };
  if (kind !== "from") return specOf(await ask("GET", "stubs/" + kind));
  const { exchange } = await ask("GET", "journal/" + id);
  const { request, answer } = exchange;
  const when = Object.keys(request.values).length ? { path: request.values } : {};
  const asJson = (message) => {
    try {
      return JSON.parse(message.body);
    } catch {
      return undefined;
    }
  };
  const body = asJson(request);
  if (body !== undefined) when.body = body;
  const made = { status: answer.status };
  if (asJson(answer) !== undefined) made.body = asJson(answer);
  return { operation: exchange.operation || "*", when, answers: [made] };
}

function Editor({ parts }) {
  const [spec, error] = useAsked(() => begun(parts), []);
  const [contract] = useAsked(() => ask("GET", "contract"), []);
  if (!spec || !contract) return html`<div class="page"><${Failure} error=${error} /></div>`;
  const number = parts[1] === "edit" ? parts[0] : null;
  const ids = [...new Set(contract.contracts.flatMap((each) => Object.keys(each.operations)))];
  return html`<${Form} spec=${spec} number=${number} ids=${ids} fields=${contract.fields} />`;
}

function Form({ spec, number, ids, fields }) {
  const [operation, setOperation] = useState(spec.operation);
  const [when, setWhen] = useState(Object.keys(spec.when || {}).length ? text(spec.when) : "");
  const [answers, setAnswers] = useState(spec.answers.map(asFields));
  const [statuses, setStatuses] = useState([]);
  const [run, error] = useAction();
  useEffect(() => {
    let wanted = true;
    if (operation === "*") setStatuses([]);
    else ask("GET", "operations/" + encodeURIComponent(operation)).then((found) => wanted && setStatuses(found.replies.map((each) => each.status)), () => {});
    return () => { wanted = false; };
  }, [operation]);
  const known = fields[operation] || {};
  const change = (at, name, value) => setAnswers(answers.map((each, index) => (index === at ? { ...each, [name]: value } : each)));
  const save = async (event) => {
    event.preventDefault();
    const saved = await run(async () => {
      const made = { ...spec, operation, when: when ? parsed("When", when) : {}, answers: answers.map(asAnswer) };
      await (number ? ask("PUT", "stubs/" + number, made) : ask("POST", "stubs", made));
    }, "the stub is saved");
    if (saved) go("stubs");
  };
  return html`<form class="page" aria-label="Stub" onSubmit=${save}><h2>${number ? "Stub " + number : "New stub"}</h2>
    <label class="field">Operation <select aria-label="Operation" value=${operation} onChange=${(event) => setOperation(event.target.value)}><option value="*">* (any)</option>${ids.map((id) => html`<option value=${id}>${id}</option>`)}</select></label>
    <label class="field">When <span class="quiet">the parts that a request must have, as JSON; empty for any request</span>
      <textarea rows="6" spellcheck=${false} value=${when} onInput=${(event) => setWhen(event.target.value)} placeholder='{"path": {"id": "7"}, "body": {"name": {"$regex": "^A"}}}'></textarea></label>
    <p class="quiet">${Object.entries(known).filter(([, names]) => names.length).map(([part, names]) => `${part}: ${names.join(", ")}`).join("; ")}</p>
    ${answers.map((each, at) => html`<fieldset class="card"><legend>Answer ${at + 1}</legend>
      <label class="field">Status <span class="quiet">${statuses.length ? "the contract has " + statuses.join(", ") : ""}</span><input inputmode="numeric" value=${each.status} onInput=${(event) => change(at, "status", event.target.value)} placeholder="as usual" /></label>
      <label class="field">Times <span class="quiet">a number, or always</span><input value=${each.times} onInput=${(event) => change(at, "times", event.target.value)} /></label>
      <label class="field">Fault <select aria-label=${"Fault of answer " + (at + 1)} value=${each.fault} onChange=${(event) => change(at, "fault", event.target.value)}><option value="">none</option>${Object.entries(FAULTS).map(([name, what]) => html`<option value=${name}>${name}: ${what}</option>`)}</select></label>
      <label class="field">Delay <span class="quiet">in seconds</span><input value=${each.delay} onInput=${(event) => change(at, "delay", event.target.value)} /></label>
      <label class="field">Body <span class="quiet">as JSON; empty for one that is made</span><textarea rows="5" spellcheck=${false} value=${each.body} onInput=${(event) => change(at, "body", event.target.value)}></textarea></label>
      <label class="field">More <span class="quiet">other keys of an answer as JSON, such as {"retry_after_ms": 20, "invalid": true}</span><input value=${each.more} onInput=${(event) => change(at, "more", event.target.value)} /></label>
      ${answers.length > 1 && html`<button type="button" onClick=${() => setAnswers(answers.filter((_, index) => index !== at))}>Remove answer ${at + 1}</button>`}</fieldset>`)}
    <${Failure} error=${error} />
    <div class="tools"><button type="button" onClick=${() => setAnswers([...answers, asFields({})])}>Then another answer</button><button class="main" type="submit">Save</button><a class="button" href=${linkTo("stubs")}>Cancel</a></div>
  </form>`;
}
