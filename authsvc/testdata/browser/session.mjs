// Three tabs of a shop for an hour of simulated time, and on. The pages' clocks are
// moved here and the service's with them, from timer to timer; the time between
// is not waited for. Reads {"shop","control","password","shots"}, writes what was
// seen in each tab at each step.
import { readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { look, told, withBrowser } from "./chromium.mjs";
import { fakeTime } from "./sessionjs/time.mjs";

const { shop, control, password, shots } = JSON.parse(readFileSync(0, "utf8"));
const seen = { steps: {}, complaints: [], wide: [] };
const wall = Date.now() + 3 * 3600_000; // the browser's clock is three hours fast
const minute = 60_000;
let at = 0;
let away = "";
const tabs = []; // three

// instrument is sent into each page: its time, and what is on the way in it.
function instrument() {
  const sim = window.sim;
  Object.assign(sim, { asking: 0, said: 0, heard: 0 });
  const realFetch = window.fetch;
  window.fetch = async (...request) => {
    sim.asking++;
    try {
      return await realFetch(...request);
    } finally {
      sim.asking--;
    }
  };
  window.BroadcastChannel = class extends BroadcastChannel {
    constructor(name) {
      super(name);
      this.addEventListener("message", () => sim.heard++);
    }
    postMessage(news) {
      sim.said++;
      super.postMessage(news);
    }
  };
}

// begin has the next page of a tab start at the present time.
async function begin(tab) {
  if (tab.script) await tab.page.removeScriptToEvaluateOnNewDocument(tab.script);
  const source = `window.sim = (${fakeTime})(window, ${JSON.stringify({ at, wall })}); (${instrument})();`;
  tab.script = (await tab.page.evaluateOnNewDocument(source)).identifier;
}

const each = (f) => Promise.all(tabs.map(f));

// inside asks a page, which may be on its way to another.
async function inside(tab, f, ...args) {
  try {
    return await tab.page.evaluate(f, ...args);
  } catch {
    return null;
  }
}

// settle waits until no request is under way and every tab has heard all.
async function settle() {
  const patient = Date.now() + 3000;
  for (let calm = 0; calm < 2; ) {
    const all = await each((tab) => inside(tab, () => ({ asking: sim.asking, said: sim.said, heard: sim.heard })));
    const told = all.every(Boolean) && all.every((one) => one.asking === 0);
    const missing = () => all.reduce((n, one) => n + one.said * 2 - one.heard, 0) - unheard;
    if (told && (missing() === 0 || Date.now() > patient)) calm++;
    else {
      calm = 0;
      await pause(5);
    }
  }
}
let unheard = 0; // what was said before a tab was there

// arrived is settle where tabs have just come to the shop.
async function arrived() {
  await eventually("calm", async () => (await each((tab) => inside(tab, () => window.sealring && sim.asking === 0))).every(Boolean));
  const all = await each((tab) => inside(tab, () => sim.said * 2 - sim.heard));
  unheard = all.reduce((n, one) => n + one, 0);
}

async function order() {
  const answer = await fetch(control, { method: "POST", body: JSON.stringify({ at, away }) });
  if (!answer.ok) throw new Error(`control: ${answer.status}`);
}

// until lets the time pass up to a minute.
async function until(minutes) {
  const target = minutes * minute;
  while (at < target) {
    const next = await each((tab) => inside(tab, () => sim.next()));
    at = Math.max(at, Math.min(target, ...next.map((n) => n ?? Infinity)));
    await order();
    await each((tab) => inside(tab, (at) => sim.to(at), at));
    await settle();
  }
}

// somebody moves a mouse in a tab, each minute.
async function somebodyUntil(tab, minutes) {
  await tab.page.bringToFront();
  for (let m = Math.floor(at / minute) + 1; m <= minutes; m++) {
    await tab.page.mouse.move(300 + (m % 7) * 20, 40);
    await until(m);
  }
}

async function service(is) {
  away = is;
  await order();
}

async function step(name, f = () => true) {
  seen.steps[name] = [];
  for (const tab of tabs) {
    await eventually(`${name} in a tab`, () => f(tab));
    await tab.page.bringToFront();
    await settle();
    seen.steps[name].push({ url: tab.page.url(), title: await tab.page.title(), told: await told(tab.page) });
  }
  const [first] = tabs;
  await first.page.bringToFront();
  seen.wide.push(...(await look(first.page, `session-${name}`, shots)));
  await settle();
}

async function eventually(what, ok) {
  for (const deadline = Date.now() + 30_000; !(await ok()); await pause(20)) {
    if (Date.now() > deadline) throw new Error(`not within 30 s: ${what}; at ${at / minute} min, ${tabs.map((t) => t.page.url())}`);
  }
}

const isAt = (path) => (tab) => new URL(tab.page.url()).pathname === path;

// press clicks what has a name, also in the dialog.
async function press(tab, name, leads) {
  await tab.page.bringToFront();
  const button = await tab.page.waitForSelector(`::-p-aria(${name})`);
  await Promise.all([leads && tab.page.waitForNavigation(), button.click()]);
}

async function logIn(tab) {
  await begin(tab);
  await tab.page.type("#username", "ann");
  await tab.page.type("#password", password);
  await Promise.all([tab.page.waitForNavigation(), tab.page.keyboard.press("Enter")]);
}

// again logs in where the session has ended, and goes on in the other tabs.
async function again() {
  const [first, ...others] = tabs;
  await press(first, "Sign in again", true);
  await logIn(first);
  for (const tab of others) {
    await press(tab, "Sign in again", true);
    await begin(tab);
    await press(tab, "Continue", true);
  }
  await eventually("the way back", async () => tabs.every(isAt("/cart")));
  await arrived();
}

await withBrowser(async (browser) => {
  for (const n of [1, 2, 3]) {
    const tab = { page: n === 1 ? (await browser.pages())[0] : await browser.newPage() };
    tab.page.on("pageerror", (e) => seen.complaints.push(String(e)));
    tab.page.on("console", (m) => /policy/i.test(m.text()) && !/CORS/.test(m.text()) && seen.complaints.push(m.text()));
    await begin(tab);
    await tab.page.goto(`${shop}?tab=${n}`);
    tabs.push(tab);
    if (n === 1) await logIn(tab);
  }
  const [first, second, third] = tabs;
  await arrived();

  await somebodyUntil(first, 6);
  await step("shopping");
  await service("store");
  await somebodyUntil(second, 11);
  await service("cut");
  await somebodyUntil(second, 14);
  await service("busy");
  await somebodyUntil(third, 17);
  await service("deaf"); // refreshes, and nobody hears of it
  await until(19);
  await service("");
  await somebodyUntil(first, 22);

  // Nobody is there any more: the warning comes about half an hour after the last refresh.
  const warned = async () => (await each((tab) => inside(tab, () => sealring.status.warning))).every((w) => w === "idle");
  await until(45);
  while (at < 56 * minute && !(await warned())) await until(at / minute + 0.25);
  await until(at / minute + 0.25);
  await step("idle");
  await service("cut");
  await press(second, "Stay signed in");
  await until(at / minute + 0.25);
  await step("outage");
  await service("");
  await until(at / minute + 0.5);
  await step("stayed", (tab) => inside(tab, () => sealring.status.idle > 1200 && !sealring.status.warning));
  await somebodyUntil(third, 60);
  await step("hour");

  // The absolute end.
  await somebodyUntil(first, 73);
  await until(73.5);
  await step("last");
  await press(second, "Not yet");
  await until(75.25);
  await step("expired", isAt("/sessions-ended"));
  await again();
  await step("back");

  // Nobody answers the warning.
  await until(at / minute + 30.5);
  await step("nobody", isAt("/sessions-ended"));
  await again();

  await until(at / minute + 28.5);
  await press(third, "Sign out");
  await step("signing-out", isAt("/sessions-ended"));
  await again();
});
console.log(JSON.stringify(seen));
