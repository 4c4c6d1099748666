// Tabs of one origin in which the script runs, and a service that it asks, all
// under one clock. The service here knows times and no tokens: what it makes of
// those is for the real one, see ../browser/session.mjs.
import { readFileSync } from "node:fs";
import vm from "node:vm";
import { fakeTime } from "./time.mjs";

const source = new vm.Script(readFileSync(process.env.SESSION_JS, "utf8"), { filename: "session.js" });
const base = "https://auth.example.com";

export class World {
  tabs = [];
  requests = []; // {path, at, quiet, retry}
  service = { access: 300, idle: 1800, session: 43200, subject: "ann", trouble: null };
  #storage = new Map();
  #channels = [];
  #locks = new Set();
  #clock = {};
  #inside;
  held = null; // news that are on the way, while a tab is frozen

  constructor(service = {}) {
    Object.assign(this.service, service);
    this.#clock.performance = {};
    this.#clock.Date = Date;
    this.#inside = fakeTime(this.#clock, { at: 0, wall: 1.7e12 });
    this.login();
  }

  get now() {
    return this.#clock.performance.now() / 1000;
  }

  login() {
    this.ends = { access: this.now + this.service.access, idle: this.now + this.service.idle, session: this.now + this.service.session };
  }

  // pass lets so many seconds pass, timer by timer.
  async pass(seconds) {
    const then = (this.now + seconds) * 1000;
    await settled();
    for (let next = this.#inside.next(); next <= then; next = this.#inside.next()) {
      this.#inside.to(next);
      await settled();
    }
    this.#inside.to(then);
    await settled();
  }

  sleep(seconds) {
    this.#inside.sleep(seconds * 1000);
    for (const name of Object.keys(this.ends)) this.ends[name] -= seconds;
  }

  async open({ without = [], dataset = {} } = {}) {
    const tab = new Tab(this, { eventsOnly: "", ...dataset });
    const shared = { localStorage: this.#localStorage(), BroadcastChannel: this.#channel(), navigator: { locks: this.#lockManager() } };
    for (const name of without) delete (name === "locks" ? shared.navigator : shared)[name];
    const g = vm.createContext({ ...this.#clock, ...shared, ...tab.globals(base), URL, AbortController, CustomEvent, crypto, fetch: (url, o) => this.#fetch(url, o) });
    g.window = g;
    source.runInContext(g);
    tab.api = g.sealring;
    this.tabs.push(tab);
    await settled();
    return tab;
  }

  refreshes = () => this.requests.filter((r) => r.path === "/v1/refresh");

  async #fetch(url, { method, headers }) {
    const { pathname: path } = new URL(url);
    this.requests.push({ path, at: this.now, quiet: headers["Sealring-Activity"] === "background", retry: headers["Sealring-Retry"] });
    await null;
    const { trouble } = this.service;
    if (typeof trouble === "function") return trouble(method, path);
    return this.answer(path, headers);
  }

  answer(path, headers = {}) {
    const { ends, now } = this;
    if (path === "/v1/logout") {
      ends.idle = ends.session = ends.access = -1;
      return new Response(null, { status: 204 });
    }
    const over = now >= ends.session ? "expired" : now >= ends.idle ? "idle" : "";
    if (path === "/v1/refresh" && !over) {
      if (headers["Sealring-Activity"] !== "background" && !this.service.degraded) ends.idle = Math.min(now + this.service.idle, ends.session);
      ends.access = Math.min(now + this.service.access, ends.idle);
    } else if (over || now >= ends.access) {
      return Response.json({ type: "urn:sealring:problem:session-ended", reason: over || undefined }, { status: 401 });
    }
    const left = (end) => Math.floor(end - now);
    const session = { subject: this.service.subject, expires_in: left(ends.access), idle_expires_in: left(ends.idle), session_expires_in: left(ends.session) };
    return Response.json(path === "/v1/session" ? session : { session });
  }

  #deliver(news) {
    if (this.held) this.held.push(news);
    else queueMicrotask(news);
  }

  #localStorage() {
    const all = this.#storage;
    return { getItem: (k) => all.get(k) ?? null, setItem: (k, v) => all.set(k, String(v)), removeItem: (k) => all.delete(k) };
  }

  #channel() {
    const channels = this.#channels;
    const world = this;
    return class {
      constructor(name) {
        this.name = name;
        channels.push(this);
      }
      postMessage(data) {
        const copy = structuredClone(data);
        for (const c of channels) if (c !== this && c.name === this.name) world.#deliver(() => c.onmessage({ data: copy }));
      }
    };
  }

  #lockManager() {
    const held = this.#locks;
    return {
      async request(name, { ifAvailable }, work) {
        if (!ifAvailable) throw new Error("would wait");
        if (held.has(name)) return work(null);
        held.add(name);
        try {
          return await work({ name });
        } finally {
          held.delete(name);
        }
      },
    };
  }
}

class Tab {
  events = []; // {name, at, …status}
  left = []; // where it went
  #listeners = new Map();

  constructor(world, dataset) {
    this.world = world;
    this.dataset = dataset;
  }

  globals(base) {
    const href = "https://shop.example.com/cart?n=1";
    const listen = (name, f) => this.#listeners.set(name, [...(this.#listeners.get(name) ?? []), f]);
    return {
      document: { currentScript: { src: base + "/session.js", dataset: this.dataset }, visibilityState: "visible", addEventListener: listen },
      location: { href, origin: new URL(href).origin, pathname: "/cart", assign: (to) => this.left.push(String(to)) },
      addEventListener: listen,
      dispatchEvent: (e) => {
        this.events.push({ name: e.type.replace("sealring:", ""), at: this.world.now, ...e.detail });
        return true;
      },
    };
  }

  act(name, isTrusted = true) {
    for (const f of this.#listeners.get(name) ?? []) f({ isTrusted });
  }

  seen = (name) => this.events.filter((e) => e.name === name);
}

// settled waits until nothing goes on but timers.
async function settled() {
  for (let i = 0; i < 5; i++) await new Promise(setImmediate);
}
