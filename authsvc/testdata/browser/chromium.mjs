// Debian's Chromium, and what is seen in it.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import puppeteer from "puppeteer-core";

// withBrowser starts one with a fresh profile, and leaves nothing of it.
export async function withBrowser(use) {
  const profile = mkdtempSync(join(tmpdir(), "chromium-"));
  const browser = await puppeteer.launch({
    executablePath: "/usr/bin/chromium",
    userDataDir: profile,
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
  try {
    await use(browser);
  } finally {
    await browser.close();
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

// told is what a screen reader is told, as lines of role, name and value; * has the focus.
export async function told(page) {
  const lines = [];
  const walk = (n) => {
    lines.push(`${n.focused ? "*" : ""}${n.role} ${n.name ?? ""}${n.value ? " = " + n.value : ""}${n.invalid ? " invalid" : ""}${n.description ? " (" + n.description + ")" : ""}`);
    (n.children ?? []).forEach(walk);
  };
  walk(await page.accessibility.snapshot({ interestingOnly: false }));
  return lines;
}

const screens = [["desktop", 1280, 800], ["phone", 390, 844], ["narrow", 320, 640]];

// look says on which screens a page scrolls aside, and takes its picture on each
// where shots names a folder.
export async function look(page, name, shots) {
  const wide = [];
  for (const [screen, width, height] of screens)
    for (const scheme of shots ? ["light", "dark"] : ["light"]) {
      await page.setViewport({ width, height });
      await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
      const cdp = await page.createCDPSession();
      const { cssContentSize } = await cdp.send("Page.getLayoutMetrics");
      await cdp.detach();
      if (cssContentSize.width > width) wide.push(`${name} on ${screen}: ${cssContentSize.width}`);
      if (shots) await page.screenshot({ path: join(shots, `${name}-${screen}-${scheme}.png`) });
    }
  return wide;
}
