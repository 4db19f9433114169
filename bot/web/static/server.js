// What the page says to the server and hears from it.

import { choose, say } from "./words.js";

const FIRST_PAUSE = 1000;
const LONGEST_PAUSE = 30000;

// Not crypto.randomUUID: it exists only over a secure connection, and a unit's own network may have none.
export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export const as = (path, address, query = {}) => {
  const found = new URLSearchParams(address ? { as: address, ...query } : query).toString();
  return found ? `${path}?${found}` : path;
};

// {status, data, problem}: status 0 means the server was not reached, problem is a sentence or "".
export async function call(method, path, body) {
  try {
    const response = await fetch(path, {
      method,
      headers: { "X-Duban": "page", ...(body ? { "Content-Type": "application/json" } : {}) },
      body: body && JSON.stringify(body),
      credentials: "same-origin",
    });
    const data = await response.json();
    return { status: response.status, data, problem: response.ok ? "" : choose(data.error) };
  } catch {
    return { status: 0, data: {}, problem: say("web-error-network") };
  }
}

// One event stream at a time. The browser reconnects by itself while it can; where it gives up, we start anew.
export class Live {
  constructor(handlers, onState) {
    this.handlers = handlers;
    this.onState = onState;
    this.pause = FIRST_PAUSE;
  }

  open(address) {
    this.close();
    this.onState("connecting");
    this.source = new EventSource(as("api/events", address));
    this.source.onopen = () => {
      this.pause = FIRST_PAUSE;
      this.onState("online");
    };
    this.source.onerror = () => {
      this.onState("offline");
      if (this.source.readyState !== EventSource.CLOSED) return;
      this.timer = setTimeout(() => this.open(address), this.pause);
      this.pause = Math.min(this.pause * 2, LONGEST_PAUSE);
    };
    for (const [kind, handle] of Object.entries(this.handlers)) {
      this.source.addEventListener(kind, (event) => handle(JSON.parse(event.data)));
    }
  }

  close() {
    clearTimeout(this.timer);
    this.source?.close();
  }
}
