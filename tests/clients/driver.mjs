// Runs one release of the TypeScript client, installed in the folder named as argument:
// JSON lines of calls in, JSON lines of outcomes out, as driver.py does it.
// Ways: plain; raw (asResponse); with (withResponse); same (whether all three give the same, for one request);
// pages (all that is listed); guide (the lines of asResponse()'s body, as they come).
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const { LlamaCloud } = createRequire(join(process.argv[2], 'here.js'))('@llamaindex/llama-cloud');
const MOST_EXCHANGES = 50;
const clients = new Map();
let exchanges = [];

/** The client's fetch, which remembers each exchange and changes none. */
async function remember(url, init) {
  if (exchanges.length === MOST_EXCHANGES) throw new Error(`more than ${MOST_EXCHANGES} requests in one call`);
  const response = await fetch(url, init);
  const { pathname, search } = new URL(url);
  exchanges.push({
    method: (init.method ?? 'GET').toUpperCase(),
    target: pathname + search,
    request_headers: Object.fromEntries(new Headers(init.headers)),
    request_body: init.body ?? '',
    status: response.status,
    headers: Object.fromEntries(response.headers),
    body: response.clone().text().catch(() => null),
  });
  return response;
}

function clientOf({ base_url: baseURL, key: apiKey, max_retries: maxRetries, timeout: seconds }) {
  if (baseURL === null) return new LlamaCloud();
  const name = JSON.stringify([baseURL, apiKey, maxRetries, seconds]);
  if (!clients.has(name)) {
    const timeout = seconds * 1000;
    clients.set(name, new LlamaCloud({ baseURL, apiKey, maxRetries, timeout, fetch: remember }));
  }
  return clients.get(name);
}

/** Give a raw response as a client's user reads it. */
async function read(response) {
  const text = await response.text();
  return { status: response.status, headers: Object.fromEntries(response.headers), text };
}

/** Say how the three ways to wait for one call hang together. */
async function compare(promise) {
  const raw = await promise.asResponse();
  const data = await promise;
  const both = await promise.withResponse();
  return [raw instanceof Response, data instanceof Response, both.data === data, both.response === raw];
}

/** Follow a stream as the guide does, line by line, and give what that prints. */
async function followGuide(response, times) {
  let printed = '';
  let rest = '';
  const decoder = new TextDecoder();
  for await (const part of response.body) {
    const lines = (rest + decoder.decode(part, { stream: true })).split('\n');
    rest = lines.pop();
    for (const line of lines) {
      if (!line.startsWith('data: ')) continue;
      const event = JSON.parse(line.slice(6));
      if (event.type === 'text_delta') printed += event.content;
      else if (event.type === 'stop') printed += '\n[end of turn]\n';
      else printed += line.slice(6) + '\n';
      times.push(performance.now() / 1000);
    }
  }
  return printed;
}

async function perform(call, outcome) {
  const client = clientOf(call);
  const target = call.resource ? call.resource.split('.').reduce((each, name) => each[name], client) : client;
  const promise = target[call.method](...call.arguments);
  if (call.way === 'pages') {
    const items = [];
    for await (const item of promise) items.push(item);
    return items;
  }
  if (call.way === 'raw') {
    outcome.read = await read(await promise.asResponse());
    return null;
  }
  if (call.way === 'same') return await compare(promise);
  if (call.way === 'guide') return await followGuide(await promise.asResponse(), (outcome.times = []));
  if (call.way === 'with') {
    const { data, response } = await promise.withResponse();
    outcome.read = { status: response.status, headers: Object.fromEntries(response.headers), text: null };
    return data;
  }
  return await promise;
}

/** Give a parsed value as JSON; of a page, the fields that it makes of its body. */
function asJson(value) {
  if (typeof value?.getPaginatedItems !== 'function') return value ?? null;
  return { items: value.items, next_page_token: value.next_page_token };
}

function failure(error) {
  const bases = [];
  for (let each = Object.getPrototypeOf(error.constructor); each?.name; each = Object.getPrototypeOf(each)) {
    bases.push(each.name);
  }
  const { message, status = null, error: body = null } = error;
  return { name: error.constructor.name, bases, message, status, body };
}

async function answer(call) {
  const outcome = { parsed: null, kind: null, error: null, read: null, closed: null, times: null, warnings: [] };
  exchanges = [];
  try {
    const value = await perform(call, outcome);
    outcome.parsed = asJson(value);
    outcome.kind = value === null ? 'null' : value === undefined ? 'undefined' : value.constructor.name;
  } catch (error) {
    outcome.error = failure(error);
  }
  outcome.exchanges = await Promise.all(exchanges.map(async (each) => ({ ...each, body: await each.body })));
  return outcome;
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(JSON.stringify(await answer(JSON.parse(line))) + '\n');
}
