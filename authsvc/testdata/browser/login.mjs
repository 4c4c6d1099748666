// Somebody without a mouse and without scripts logs in, with Debian's Chromium.
// Reads {"login","password","shots"}, writes what was seen at each step.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import puppeteer from "puppeteer-core";

const { login, password, shots } = JSON.parse(readFileSync(0, "utf8"));
const profile = mkdtempSync(join(tmpdir(), "chromium-"));
const browser = await puppeteer.launch({
  executablePath: "/usr/bin/chromium",
  userDataDir: profile,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
const seen = { steps: {}, complaints: [], foreign: [], wide: [] };
const own = new URL(login).hostname;

try {
  const page = await browser.newPage();
  await page.setJavaScriptEnabled(false);
  page.on("console", (m) => m.type() === "error" && seen.complaints.push(m.text()));
  page.on("requestfailed", (r) => seen.complaints.push(`${r.url()}: ${r.failure().errorText}`));
  page.on("request", (r) => new URL(r.url()).hostname === own || seen.foreign.push(r.url()));

  // What a screen reader is told, as lines of role, name and value; * has the focus.
  const told = async () => {
    const lines = [];
    const walk = (n) => {
      lines.push(`${n.focused ? "*" : ""}${n.role} ${n.name ?? ""}${n.value ? " = " + n.value : ""}${n.invalid ? " invalid" : ""}${n.description ? " (" + n.description + ")" : ""}`);
      (n.children ?? []).forEach(walk);
    };
    walk(await page.accessibility.snapshot({ interestingOnly: false }));
    return lines;
  };
  const looks = [["desktop", 1280, 800], ["phone", 390, 844], ["narrow", 320, 640]];
  const look = async (name) => {
    for (const [screen, width, height] of looks)
      for (const scheme of shots ? ["light", "dark"] : ["light"]) {
        await page.setViewport({ width, height });
        await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
        const { cssContentSize } = await (await page.createCDPSession()).send("Page.getLayoutMetrics");
        if (cssContentSize.width > width) seen.wide.push(`${name} on ${screen}: ${cssContentSize.width}`);
        if (shots) await page.screenshot({ path: join(shots, `${name}-${screen}-${scheme}.png`) });
      }
  };
  const step = async (name, response) => {
    seen.steps[name] = { url: page.url(), status: response?.status() ?? 0, title: await page.title(), told: await told() };
    await look(name);
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
} finally {
  await browser.close();
  rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
}
console.log(JSON.stringify(seen));
