// What the script decides, under a clock that is told what time it is.
import assert from "node:assert/strict";
import test from "node:test";
import { World } from "./world.mjs";

const three = async (world, options) => Promise.all([1, 2, 3].map(() => world.open(options)));
const minutes = (n) => n * 60;
const cut = () => Promise.reject(new TypeError("Failed to fetch"));
const busy = (status, retryAfter) => () => new Response("<h1>busy</h1>", { status, headers: retryAfter ? { "Retry-After": retryAfter } : {} });

// during lets time pass with a sign of a person in a tab each minute.
async function during(world, tab, seconds) {
  for (; seconds > 0; seconds -= 60) {
    tab.act("pointerdown");
    await world.pass(Math.min(seconds, 60));
  }
}

test("three tabs refresh once per access token, ahead of its end, as long as somebody is there", async () => {
  const w = new World();
  const tabs = await three(w);
  await during(w, tabs[1], 3600);
  const all = w.refreshes();
  assert.ok(all.length >= 13 && all.length <= 16, `${all.length} refreshes`);
  assert.equal(w.requests.length, all.length + 3); // each tab asked once what there is
  assert.ok(all.every((r) => !r.quiet));
  assert.equal(new Set(all.map((r) => r.retry)).size, all.length);
  for (const t of tabs) {
    assert.deepEqual([t.seen("warning").length, t.api.status.state], [0, "active"]);
    assert.equal(t.seen("refreshed").length, all.length);
  }
});

test("nobody there: the refreshes say so, every tab warns, and the session ends", async () => {
  const w = new World();
  const tabs = await three(w);
  await w.pass(1800 - 121);
  assert.ok(tabs.every((t) => t.seen("warning").length === 0));
  await w.pass(2);
  for (const t of tabs) assert.equal(t.seen("warning")[0]?.warning, "idle");
  await w.pass(130);
  assert.ok(w.refreshes().every((r) => r.quiet));
  assert.ok(w.refreshes().filter((r) => r.at > 1680 && r.at < 1800).length <= 1); // more would prolong nothing
  for (const t of tabs) {
    assert.deepEqual(t.seen("ended").map((e) => e.reason), ["idle"]);
    assert.equal(t.seen("warning").length, 1);
  }
  const before = w.requests.length;
  await w.pass(3600);
  assert.equal(w.requests.length, before);
  await assert.rejects(tabs[0].api.refresh());
});

test("somebody who is there is not asked whether he is", async () => {
  const w = new World({ idle: 600 });
  const [tab] = await three(w);
  await during(w, tab, 3600);
  assert.equal(tab.seen("warning").length, 0);
});

test("a sign after the last refresh before the warning is enough", async () => {
  const w = new World();
  const tabs = await three(w);
  await w.pass(1800 - 130);
  tabs[2].act("keydown");
  await w.pass(140);
  for (const t of tabs) assert.deepEqual([t.seen("warning").length, t.api.status.state], [0, "active"]);
});

test("what a page does by itself is no sign of a person", async () => {
  const w = new World();
  const [tab] = await three(w);
  await w.pass(600);
  tab.act("pointerdown", false);
  await w.pass(1250);
  assert.equal(tab.seen("ended")[0]?.reason, "idle");
});

test("a sign of long ago is none", async () => {
  const w = new World();
  const tab = await w.open();
  await w.pass(100);
  w.service.trouble = cut;
  tab.act("pointerdown");
  await w.pass(1300);
  w.service.trouble = null;
  await w.pass(450);
  assert.equal(tab.seen("ended")[0]?.reason, "idle");
});

test("a sign that an outage kept from the service is told afterwards", async () => {
  const w = new World();
  const tab = await w.open();
  await w.pass(200);
  tab.act("wheel");
  w.service.trouble = cut;
  await w.pass(200);
  w.service.trouble = null;
  await w.pass(76);
  assert.equal(w.refreshes().at(-1).quiet, false);
});

test("a page that is opened during an outage warns of nothing", async () => {
  const w = new World();
  w.service.trouble = cut;
  const tab = await w.open();
  await w.pass(600);
  assert.deepEqual(tab.events, []);
  w.service.trouble = null;
  await w.pass(76);
  assert.equal(tab.api.status.state, "active");
});

test("to stay is to stay, in every tab", async () => {
  const w = new World();
  const tabs = await three(w);
  await w.pass(1800 - 60);
  tabs[0].act("pointermove"); // wakes nobody: a warning wants an answer
  await w.pass(10);
  assert.ok(tabs.every((t) => t.api.status.warning === "idle"));
  await tabs[2].api.stay();
  await w.pass(1);
  for (const t of tabs) {
    assert.equal(t.api.status.warning, "");
    assert.ok(t.api.status.idle > 1790);
  }
  await w.pass(1700);
  for (const t of tabs) assert.equal(t.seen("warning").length, 2);
});

test("the absolute end comes with its warning, whoever is there", async () => {
  const w = new World({ session: 3600 });
  const tabs = await three(w);
  await during(w, tabs[0], 3600 - 119);
  assert.deepEqual(tabs.map((t) => t.seen("warning").map((e) => e.warning)), [["expired"], ["expired"], ["expired"]]);
  await during(w, tabs[0], 130);
  assert.deepEqual(tabs.map((t) => t.seen("ended").map((e) => e.reason)), [["expired"], ["expired"], ["expired"]]);
});

test("an outage ends nothing, and is asked about ever less often, by one tab at a time", async () => {
  for (const trouble of [cut, busy(502), busy(503), busy(504), busy(429), busy(500), busy(403), busy(401)]) {
    const w = new World();
    const tabs = await three(w);
    await during(w, tabs[0], 230);
    w.service.trouble = trouble;
    const from = w.requests.length;
    await w.pass(minutes(20));
    const tries = w.requests.slice(from);
    assert.ok(tries.length >= 20 && tries.length <= 50, `${trouble}: ${tries.length} attempts`);
    const gaps = tries.slice(1).map((r, i) => r.at - tries[i].at);
    assert.ok(gaps.slice(6).every((g) => g >= 25 && g <= 65), `gaps of ${gaps}`);
    for (const t of tabs) assert.deepEqual([t.seen("ended").length, t.api.status.reachable, t.api.status.state], [0, false, "active"]);
    w.service.trouble = null;
    await w.pass(76);
    for (const t of tabs) assert.deepEqual([t.seen("ended").length, t.api.status.reachable], [0, true]);
    assert.ok(tabs[0].api.status.access > 200);
  }
});

test("an outage beyond the session's end is waited for, and then the service decides", async () => {
  const w = new World();
  const tabs = await three(w);
  w.service.trouble = cut;
  await w.pass(minutes(40));
  assert.ok(tabs.every((t) => t.seen("ended").length === 0 && t.seen("warning").length === 1));
  w.login(); // the service kept it after all
  w.service.trouble = null;
  await w.pass(76);
  assert.deepEqual(tabs.map((t) => t.api.status.warning), ["", "", ""]);
});

test("Retry-After is kept to by all tabs, in seconds and as a date", async () => {
  for (const said of ["300", new Date(1.7e12 + 540_000).toUTCString()]) {
    const w = new World();
    await three(w);
    await w.pass(230);
    w.service.trouble = busy(503, said);
    const from = w.requests.length;
    await w.pass(298);
    assert.equal(w.requests.length, from + 1);
    await w.pass(90);
    assert.ok(w.requests.length > from + 1);
  }
});

test("every attempt after a lost answer, by whichever tab, has the id of the first", async () => {
  const w = new World();
  const tabs = await three(w);
  await w.pass(230);
  let lost = 0;
  w.service.trouble = (method, path) => {
    w.answer(path);
    return ++lost < 8 ? cut() : w.answer(path);
  };
  await w.pass(70);
  await w.pass(240);
  const ids = w.refreshes().map((r) => r.retry);
  assert.equal(new Set(ids.slice(0, 8)).size, 1);
  assert.match(ids[0], /^[0-9a-f]{32}$/);
  assert.notEqual(ids[8], ids[0]);
  assert.ok(tabs.every((t) => t.seen("refreshed").length >= 1));
});

test("a page that is opened in the middle of a lost answer goes on with its id", async () => {
  const w = new World();
  await w.open();
  await w.pass(200);
  w.service.trouble = cut;
  await w.pass(100);
  w.service.trouble = null;
  w.ends.access = 0; // it has run out
  const from = w.refreshes().length;
  await w.open();
  assert.equal(w.refreshes()[from].retry, w.refreshes()[from - 1].retry);
});

test("after a sleep of the machine the service is asked what is left", async () => {
  const w = new World();
  const tabs = await three(w);
  await w.pass(100);
  w.sleep(minutes(27));
  await w.pass(21);
  for (const t of tabs) assert.equal(t.seen("warning")[0]?.warning, "idle");
  assert.ok(Math.abs(tabs[0].api.status.idle - (1800 - 27 * 60 - 121)) <= 1);
});

test("what a tab hears late is a reason to ask", async () => {
  const w = new World();
  const tabs = await three(w);
  w.held = [];
  await tabs[0].api.logout();
  w.login();
  await w.pass(10);
  for (const news of w.held) news();
  await w.pass(1);
  assert.deepEqual([tabs[1].seen("ended").length, tabs[1].api.status.state], [0, "active"]);
});

// late has the next request for a path answered when the test says so.
function late(w, path) {
  let send;
  const sent = new Promise((resolve) => (send = resolve));
  w.service.trouble = async (method, asked) => {
    if (asked !== path) return w.answer(asked);
    w.service.trouble = null;
    const answer = w.answer(asked, { "Sealring-Activity": "background" });
    await sent;
    return answer;
  };
  return send;
}

test("an answer that was overtaken changes nothing", async () => {
  const w = new World();
  const [tab, other] = await three(w);
  await w.pass(1000);
  const send = late(w, "/v1/session");
  tab.act("focus");
  await w.pass(1);
  await other.api.stay();
  send();
  await w.pass(1);
  assert.ok(tab.api.status.idle > 1790);
});

test("to stay is more than a refresh that is under way in another tab", async () => {
  const w = new World();
  const [tab, other] = await three(w);
  await w.pass(1000);
  const send = late(w, "/v1/refresh");
  const refreshing = other.api.refresh();
  await w.pass(1);
  const staying = tab.api.stay();
  await w.pass(1);
  send();
  await w.pass(5);
  assert.ok(tab.api.status.idle > 1790);
  await Promise.all([refreshing, staying]);
});

test("a tab that may have missed something asks", async () => {
  const w = new World();
  const tab = await w.open();
  await w.pass(60);
  w.login(); // as a page of another origin did
  tab.act("focus");
  await w.pass(1);
  assert.ok(tab.api.status.idle >= 1798);
  const from = w.requests.length;
  tab.act("online");
  await w.pass(1);
  assert.equal(w.requests.length, from); // it has just asked
});

test("a warning ends when a page of another origin has prolonged the session", async () => {
  const w = new World();
  const tab = await w.open();
  await w.pass(1800 - 100);
  assert.equal(tab.api.status.warning, "idle");
  w.login();
  await w.pass(25);
  assert.equal(tab.api.status.warning, "");
});

test("who leaves in one tab has left in all", async () => {
  const w = new World();
  const tabs = await three(w);
  await w.pass(10);
  await tabs[1].api.logout();
  await w.pass(1);
  for (const t of tabs) assert.deepEqual(t.seen("ended").map((e) => e.reason), ["logout"]);
  const from = w.requests.length;
  await w.pass(3600);
  assert.equal(w.requests.length, from);
});

test("to leave during an outage is said to have failed, and ends nothing", async () => {
  const w = new World();
  const [tab] = await three(w);
  w.service.trouble = cut;
  await assert.rejects(tab.api.logout());
  assert.equal(tab.api.status.state, "active");
});

test("the end leads to the login and back, unless the page sees to it", async () => {
  const w = new World();
  const own = await w.open();
  const [plain, theirs] = await Promise.all([w.open({ dataset: { eventsOnly: undefined } }), w.open({ dataset: { eventsOnly: undefined, login: "https://id.example.com/in?x=1" } })]);
  await own.api.logout();
  await w.pass(1);
  const back = encodeURIComponent("https://shop.example.com/cart?n=1");
  assert.deepEqual(own.left, []);
  assert.deepEqual(plain.left, [`https://auth.example.com/sessions-ended?reason=logout&return_to=${back}`]);
  assert.deepEqual(theirs.left, [`https://id.example.com/in?x=1&reason=logout&return_to=${back}`]);
});

test("where the cookies have run out a moment ahead the clock says why", async () => {
  const w = new World();
  const tab = await w.open();
  await w.pass(1798.9);
  w.service.trouble = () => Response.json({ type: "urn:sealring:problem:invalid-token" }, { status: 401 });
  await assert.rejects(tab.api.refresh());
  assert.equal(tab.seen("ended")[0].reason, "idle");
});

test("no reason is none", async () => {
  const w = new World();
  const tab = await w.open({ dataset: { eventsOnly: undefined } });
  w.service.trouble = () => Response.json({ type: "urn:sealring:problem:invalid-token" }, { status: 401 });
  await w.pass(300);
  assert.deepEqual(tab.left.map((to) => new URL(to).searchParams.has("reason")), [false]);
});

test("where nobody is logged in nothing happens", async () => {
  const w = new World();
  w.ends = { access: -1, idle: -1, session: -1 };
  const tabs = await three(w, { dataset: { eventsOnly: undefined } });
  await w.pass(3600);
  assert.ok(w.requests.length <= 6);
  for (const t of tabs) assert.deepEqual([t.events, t.left, t.api.status.state], [[], [], "none"]);
  w.login();
  tabs[0].act("focus");
  await w.pass(1);
  assert.equal(tabs[0].api.status.state, "active");
});

test("another user is another session", async () => {
  const w = new World();
  const tab = await w.open();
  await w.pass(10);
  w.service.subject = "bob";
  tab.act("focus");
  await w.pass(1);
  assert.equal(tab.seen("ended")[0]?.reason, "replaced");
});

test("whoever stays while the service has lost its store goes on asking until it hears", async () => {
  const w = new World();
  const tab = await w.open();
  await w.pass(1800 - 100);
  w.service.degraded = true;
  let done = false;
  const staying = tab.api.stay().then(() => (done = true));
  await w.pass(30);
  assert.deepEqual([done, tab.api.status.warning], [false, "idle"]);
  w.service.degraded = false;
  await w.pass(6);
  await staying;
  assert.equal(tab.api.status.warning, "");
});

test("to stay waits for the end of an outage", async () => {
  const w = new World();
  const tab = await w.open();
  await w.pass(1800 - 110);
  w.service.trouble = cut;
  const staying = tab.api.stay();
  await w.pass(50);
  w.service.trouble = null;
  await w.pass(13); // the pauses are short while there is little time left
  assert.ok(tab.api.status.idle > 1700);
  await staying;
});

test("a session that is short from the start is not all warning", async () => {
  const w = new World({ access: 60, idle: 100 });
  const tab = await w.open();
  await w.pass(40);
  assert.equal(tab.seen("warning").length, 0);
  await w.pass(15);
  assert.equal(tab.seen("warning").length, 1);
});

for (const lacking of ["locks", "BroadcastChannel", "localStorage"]) {
  test(`without ${lacking} it takes more requests and works`, async () => {
    const w = new World();
    const tabs = await three(w, { without: [lacking] });
    for (let i = 0; i < 60; i++) {
      for (const t of tabs) t.act("pointerdown");
      await w.pass(60);
    }
    assert.ok(w.refreshes().length <= 3 * 16, `${w.refreshes().length} refreshes`);
    for (const t of tabs) assert.deepEqual([t.seen("warning").length, t.seen("ended").length, t.api.status.state], [0, 0, "active"]);
  });
}
