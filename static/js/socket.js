// One WebSocket for the whole page (/ws/v1). Widgets subscribe; after a break every
// subscription is asked for again and its snapshot replaces what was shown.

const RETRY_MS_MIN = 500;
const RETRY_MS_MAX = 15000;
const ANSWER_MS_MAX = 12000;

const subscriptions = new Map(); // "channel listing" -> Set of handlers
const waiting = new Map(); // request_id -> {resolve, timer}
const watchers = new Set(); // called with true or false as the connection comes and goes
let socket = null;
let retryMs = RETRY_MS_MIN;

const keyOf = (channel, listing) => `${channel} ${listing || ""}`;
const isOpen = () => socket !== null && socket.readyState === WebSocket.OPEN;

function ask(type, key) {
  const [channel, listing] = key.split(" ");
  const message = { type, channel };
  if (listing) message.listing = listing;
  socket.send(JSON.stringify(message));
}

function deliver(message) {
  if (message.request_id !== undefined && waiting.has(message.request_id)) {
    const { resolve, timer } = waiting.get(message.request_id);
    clearTimeout(timer);
    waiting.delete(message.request_id);
    resolve(message);
    return;
  }
  for (const key of [keyOf(message.channel, message.listing), keyOf(message.channel, "*")]) {
    subscriptions.get(key)?.forEach((handle) => handle(message));
  }
}

function connect() {
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  socket = new WebSocket(`${scheme}//${location.host}/ws/v1`);
  socket.addEventListener("open", () => {
    retryMs = RETRY_MS_MIN;
    subscriptions.forEach((_, key) => ask("subscribe", key));
    watchers.forEach((watch) => watch(true));
  });
  socket.addEventListener("message", (event) => deliver(JSON.parse(event.data)));
  socket.addEventListener("close", () => {
    watchers.forEach((watch) => watch(false));
    waiting.forEach(({ resolve, timer }, id) => {
      clearTimeout(timer);
      resolve({ type: "unknown", request_id: id });
    });
    waiting.clear();
    setTimeout(connect, retryMs * (0.5 + Math.random()));
    retryMs = Math.min(retryMs * 2, RETRY_MS_MAX);
  });
}

/** Call `handle` with every message of a channel; connects on first use. */
export function subscribe(channel, listing, handle) {
  const key = keyOf(channel, listing);
  if (!subscriptions.has(key)) {
    subscriptions.set(key, new Set());
    if (isOpen()) ask("subscribe", key);
  }
  subscriptions.get(key).add(handle);
  if (socket === null) connect();
}

/** Ask a channel for a fresh snapshot, after a gap in its sequence. */
export function resubscribe(channel, listing) {
  if (!isOpen()) return;
  ask("unsubscribe", keyOf(channel, listing));
  ask("subscribe", keyOf(channel, listing));
}

/**
 * Send a command and wait for its answer. Resolves {type: "unknown"} when none came
 * in time or the line broke: the order may exist, so it is looked up, never sent again.
 */
export function request(message) {
  if (!isOpen()) return Promise.resolve({ type: "offline" });
  const id = crypto.randomUUID();
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      waiting.delete(id);
      resolve({ type: "unknown", request_id: id });
    }, ANSWER_MS_MAX);
    waiting.set(id, { resolve, timer });
    socket.send(JSON.stringify({ ...message, request_id: id }));
  });
}

export function watchConnection(watch) {
  watchers.add(watch);
}
