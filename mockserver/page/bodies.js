// Bodies as lines that know their place, and requests as commands.

const SPACE = /[ \t\r\n]*/y;
const STRING = /"(?:[^"\\]|\\.)*"/y;
const PLAIN = /[^\s,:{}[\]"]+/y;
const DEEPEST = 200;
export const MOST_LINES = 4000;

/** Lay out JSON as lines {depth, text, pointer}, with numbers and texts as they were sent; null if it is none. */
export function layOut(source) {
  try {
    JSON.parse(source);
  } catch {
    return null;
  }
  const lines = [];
  let at = 0;
  const token = (pattern) => {
    pattern.lastIndex = at;
    const found = pattern.exec(source);
    at = pattern.lastIndex;
    return found[0];
  };
  const skip = () => token(SPACE);
  const value = (depth, pointer, lead) => {
    if (depth > DEEPEST) throw new RangeError();
    skip();
    const open = source[at];
    if (open !== "{" && open !== "[") {
      lines.push({ depth, pointer, text: lead + token(open === '"' ? STRING : PLAIN) });
      return;
    }
    const close = open === "{" ? "}" : "]";
    const first = { depth, pointer, text: lead + open };
    lines.push(first);
    at += 1;
    skip();
    for (let index = 0; source[at] !== close; index += 1) {
      let name = "";
      let step = String(index);
      if (open === "{") {
        name = token(STRING);
        step = JSON.parse(name).replaceAll("~", "~0").replaceAll("/", "~1");
        skip();
        at += 1;
        name += ": ";
      }
      value(depth + 1, pointer + "/" + step, name);
      skip();
      if (source[at] === ",") {
        lines[lines.length - 1].text += ",";
        at += 1;
        skip();
      }
    }
    at += 1;
    if (lines[lines.length - 1] === first) first.text += close;
    else lines.push({ depth, pointer: null, text: close });
  };
  try {
    value(0, "", "");
  } catch {
    return null;
  }
  return lines;
}

/** The text of a member of a JSON object, laid out, with numbers as they were sent. */
export function memberText(source, name) {
  const lines = layOut(source);
  const first = lines.findIndex((line) => line.pointer === "/" + name);
  const end = lines.findIndex((line, at) => at > first && line.depth <= 1);
  const last = lines[end] && lines[end].pointer === null && lines[end].depth === 1 ? end + 1 : end;
  const texts = lines.slice(first, last).map((line, at) => "  ".repeat(line.depth - 1) + (at ? line.text : line.text.replace(JSON.stringify(name) + ": ", "")));
  return texts.join("\n").replace(/,$/, "");
}

/** The lines of a body, whatever it is. */
export function linesOf(message) {
  if (message.base64 !== undefined) return [{ depth: 0, pointer: null, text: `${message.size} bytes that are no text` }];
  if (!message.body) return [];
  const plain = () => message.body.split("\n").map((text) => ({ depth: 0, pointer: null, text }));
  return layOut(message.body) || plain();
}

/** The line that stands for a pointer, or for what it should be in: its index, -1 for none. */
export function lineOf(lines, pointer) {
  for (let rest = pointer; ; rest = rest.slice(0, rest.lastIndexOf("/"))) {
    const found = lines.findIndex((line) => line.pointer === rest);
    if (found >= 0 || !rest) return found;
  }
}

/** Split a text of server-sent events into events {kind, data}. */
export function eventsOf(text) {
  return text.split(/\r?\n\r?\n/).filter((part) => part.trim()).map((part) => {
    const lines = part.split(/\r?\n/);
    const field = (name) => lines.filter((line) => line.startsWith(name + ":")).map((line) => line.slice(name.length + 1).replace(/^ /, ""));
    return { kind: field("event").join(), data: field("data").join("\n") || part };
  });
}

const SKIPPED = new Set(["host", "content-length", "connection", "accept-encoding", "transfer-encoding"]);
const sent = (request) => request.headers.filter(([name]) => !SKIPPED.has(name));
const target = (request) => request.path + (request.query ? "?" + request.query : "");
const quoted = (text) => "'" + text.replaceAll("'", "'\\''") + "'";

/** The request as a command for curl. */
export function asCurl(request, origin) {
  const parts = [`curl -i -X ${quoted(request.method)} ${quoted(origin + target(request))}`];
  for (const [name, value] of sent(request)) parts.push(`-H ${quoted(name + ": " + value)}`);
  if (request.body) parts.push(`--data-binary ${quoted(request.body)}`);
  if (request.base64 !== undefined) parts.unshift(`echo ${request.base64} | base64 -d |`), parts.push("--data-binary @-");
  return parts.join(" \\\n  ");
}

/** The request as a program of Python's own library. */
export function asPython(request, origin) {
  const text = (value) => JSON.stringify(value);
  const body = request.base64 !== undefined
    ? `base64.b64decode(${text(request.base64)})`
    : request.body ? `${text(request.body)}.encode()` : "None";
  const headers = sent(request).map(([name, value]) => `    ${text(name)}: ${text(value)},\n`).join("");
  return `import base64\nfrom urllib.error import HTTPError\nfrom urllib.request import Request, urlopen\n
request = Request(
  ${text(origin + target(request))},
  method=${text(request.method)},
  data=${body},
  headers={\n${headers}  },
)
try:
    answer = urlopen(request)
except HTTPError as error:
    answer = error
print(answer.status, answer.read().decode())\n`;
}
