// Somebody uses the chat and the dashboard, with Debian's Chromium. Reads {"chat",
// "dashboard","username","password","revoke"}, writes where each page was at each
// step. revoke is the command of an operator who ends every session.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { withBrowser } from "./chromium.mjs";

const { chat, dashboard, username, password, revoke } = JSON.parse(readFileSync(0, "utf8"));
const seen = { steps: {}, complaints: [] };

const logIn = async (page) => {
  await page.type("#username", username);
  await page.type("#password", password);
  await Promise.all([page.waitForNavigation(), page.keyboard.press("Enter")]);
};
const connected = (page) => page.waitForFunction(() => document.querySelector("output")?.value === "connected");
const counts = (page) => page.waitForFunction(() => document.querySelectorAll("dd").length >= 4);
const ended = (page) => page.waitForFunction(() => location.pathname === "/sessions-ended");
const follow = (page, name) => Promise.all([page.waitForNavigation(), page.locator(`::-p-aria(${name})`).click()]);

await withBrowser(async (browser) => {
  const open = async (to) => {
    const page = await browser.newPage();
    page.setDefaultTimeout(20_000);
    page.on("pageerror", (e) => seen.complaints.push(String(e)));
    page.on("console", (m) => /policy/i.test(m.text()) && seen.complaints.push(m.text()));
    await page.goto(to);
    return page;
  };
  const step = (name, ...pages) => (seen.steps[name] = pages.map((page) => page.url()));
  const renewed = (page, what) => page.waitForResponse((r) => r.url().includes(what) && r.url().endsWith("/renew"));

  const first = await open(chat + "/?room=1");
  step("led", first);
  await logIn(first);
  await connected(first);
  step("arrived", first);
  await first.type("input", "hello");
  await first.keyboard.press("Enter");
  seen.said = await first.waitForSelector("li").then((line) => line.evaluate((e) => e.textContent));

  const second = await open(dashboard + "/");
  await counts(second);
  step("both", first, second);

  // A refresh of one page is for all of them, and each connection goes on with it.
  const renewals = [renewed(first, "/socket/")];
  await first.bringToFront();
  await first.evaluate(() => sealring.refresh());
  seen.renewed = (await Promise.all(renewals)).map((r) => r.status());
  const streams = [renewed(second, "/events/")];
  await second.bringToFront();
  await second.evaluate(() => sealring.refresh());
  seen.renewed.push(...(await Promise.all(streams)).map((r) => r.status()));

  await first.bringToFront();
  await first.click("#out");
  await Promise.all([ended(first), ended(second)]);
  step("signed out", first, second);

  await second.bringToFront();
  await follow(second, "Sign in again");
  await logIn(second);
  await counts(second);
  await first.goto(chat);
  await connected(first);
  step("back", first, second);

  execFileSync(revoke[0], revoke.slice(1));
  await Promise.all([ended(first), ended(second)]);
  step("revoked", first, second);
});
console.log(JSON.stringify(seen));
