// Somebody without a mouse and without scripts logs in, with Debian's Chromium.
// Reads {"login","password","shots"}, writes what was seen at each step.
import { readFileSync } from "node:fs";
import { look, told, withBrowser } from "./chromium.mjs";

const { login, password, shots } = JSON.parse(readFileSync(0, "utf8"));
const seen = { steps: {}, complaints: [], foreign: [], wide: [] };
const own = new URL(login).hostname;

await withBrowser(async (browser) => {
  const page = await browser.newPage();
  await page.setJavaScriptEnabled(false);
  page.on("console", (m) => m.type() === "error" && seen.complaints.push(m.text()));
  page.on("requestfailed", (r) => seen.complaints.push(`${r.url()}: ${r.failure().errorText}`));
  page.on("request", (r) => new URL(r.url()).hostname === own || seen.foreign.push(r.url()));

  const step = async (name, response) => {
    seen.steps[name] = { url: page.url(), status: response?.status() ?? 0, title: await page.title(), told: await told(page) };
    seen.wide.push(...(await look(page, name, shots)));
  };
  const enter = async (...keys) => {
    for (const key of keys) key.length > 1 && key in named ? await page.keyboard.press(key) : await page.keyboard.type(key);
    const [response] = await Promise.all([page.waitForNavigation(), page.keyboard.press("Enter")]);
    return response;
  };
  const named = { Tab: 1 };

  await step("login", await page.goto(login));
  await step("wrong", await enter("ann", "Tab", "not this"));
  await step("arrived", await enter(password));
  await step("again", await page.goto(login));
  await step("out", await enter("Tab", "Tab"));
  await step("ended", await page.goto(new URL("/sessions-ended?reason=reused", login).href));
});
console.log(JSON.stringify(seen));
