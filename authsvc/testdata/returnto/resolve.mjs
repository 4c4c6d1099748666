// Resolves what the service leads to, and what it was given, as browsers do (the
// URL standard of the WHATWG). Reads {"base","given","led"}, writes the origins.
import { readFileSync } from "node:fs";

const { base, given, led } = JSON.parse(readFileSync(0, "utf8"));
const origin = (url) => {
  try {
    return new URL(url, base).origin;
  } catch {
    return "none";
  }
};
console.log(JSON.stringify({ given: given.map(origin), led: led.map(origin) }));
