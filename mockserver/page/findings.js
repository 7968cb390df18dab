// What was wrong, whose fault it is, and what the contract says there.
import { html } from "./core.js";
import { Json } from "./parts.js";

/** The findings below a prefix as marks of a body. */
export const marksOf = (findings, prefix) => findings
  .filter((each) => each.where === prefix || each.where.startsWith(prefix + "/"))
  .map((each) => ({ pointer: each.where.slice(prefix.length), text: each.message }));

export const Findings = ({ findings, places }) => findings.map((finding, index) => html`<${Finding} finding=${finding} node=${places[index]} />`);

function Finding({ finding, node }) {
  return html`<div class=${"finding of-" + finding.fault}>
    <strong>${finding.message}</strong>
    <div>${finding.where && html`at <code>${finding.where}</code>, `}fault of the ${finding.fault}, rule ${finding.rule}</div>
    ${finding.expected !== null && finding.expected !== undefined && html`<div>expected <code>${short(finding.expected)}</code></div>`}
    ${finding.received !== null && finding.received !== undefined && html`<div>received <code>${short(finding.received)}</code></div>`}
    ${finding.contract && html`<details open=${node !== null && node !== undefined && JSON.stringify(saidOf(node, finding.where)).length < 900}><summary>The contract says, at ${finding.contract}</summary>
      ${node === null || node === undefined ? html`<p class="quiet">It is too long to be shown here.</p>` : html`<${Json} value=${saidOf(node, finding.where)} label="What the contract says" />`}</details>`}
  </div>`;
}

/** What a schema says of the very property that is wrong, where it does. */
const saidOf = (node, where) => {
  const name = where.split("/").pop();
  const own = node && node.properties && Object.hasOwn(node.properties, name) ? node.properties[name] : undefined;
  return own === undefined ? node : { [name]: own, required: (node.required || []).includes(name) };
};

const short = (value) => {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text.length > 300 ? text.slice(0, 300) + "..." : text;
};
