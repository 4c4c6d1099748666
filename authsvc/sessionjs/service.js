// The service, and what its answers mean here: granted, ended, left or away. Only
// its own word ends a session; whatever else comes back, or nothing, is an outage.

const patience = 15 * second; // for one answer
const longestPause = 60 * second; // between two attempts
const briefPause = 10 * second; // the longest while the session is about to end
const longestAdvised = 600 * second; // of what Retry-After may ask for

function newService(base) {
  // An answer may arrive after its page was left, since the next page needs its
  // cookies. To another origin not every browser can send such a request.
  const keepalive = new URL(base).origin === location.origin;

  // No cache mode is asked for: the answers say that they are not to be kept, and
  // no-store would have browsers send a preflight with each request.
  async function ask(method, path, headers = {}) {
    const giveUp = new AbortController();
    const timer = setTimeout(() => giveUp.abort(), patience);
    const options = { method, headers, keepalive, credentials: "include", redirect: "error", signal: giveUp.signal };
    try {
      return await judged(await fetch(base + path, options));
    } catch {
      return { kind: "away", advised: 0 };
    } finally {
      clearTimeout(timer);
    }
  }
  return {
    session: () => ask("GET", "/v1/session"),
    logout: () => ask("POST", "/v1/logout"),
    refresh(quiet, retry) {
      const headers = { "Sealring-Retry": retry };
      if (quiet) headers["Sealring-Activity"] = "background";
      return ask("POST", "/v1/refresh", headers);
    },
  };
}

async function judged(answer) {
  if (answer.status === 204 || answer.status === 202) return { kind: "left" }; // the answers to a logout
  const body = (await answer.json().catch(() => null)) ?? {}; // a proxy's page is none
  const session = body.session ?? body;
  if (answer.ok && session.subject) {
    return { kind: "granted", subject: session.subject, ...left(answer, session) };
  }
  if (answer.status === 401 && String(body.type).startsWith("urn:sealring:problem:")) {
    return { kind: "ended", reason: body.reason ?? "" };
  }
  return { kind: "away", advised: advised(answer.headers.get("Retry-After")) };
}

// left is how many milliseconds are left, from the body where the header is hidden
// from the page.
function left(answer, session) {
  const said = answer.headers.get("Sealring-Expires") ?? "";
  const members = Object.fromEntries(Array.from(said.matchAll(/(\w+)=(\d+)/g), (m) => [m[1], Number(m[2])]));
  const of = (name, field) => (members[name] ?? session[field] ?? 0) * second;
  return {
    access: of("access", "expires_in"),
    idle: of("idle", "idle_expires_in"),
    session: of("session", "session_expires_in"),
  };
}

// advised reads Retry-After: seconds, or a date.
function advised(said) {
  const pause = /^\d+$/.test(said ?? "") ? Number(said) * second : Date.parse(said) - Date.now();
  return Math.min(Math.max(pause || 0, 0), longestAdvised);
}

// pauseAfter is how long to wait after so many failures in a row: longer each
// time, never as long as another client waits, and no less than advised.
function pauseAfter(failures, advised, longest) {
  const most = Math.min(longest, second * 2 ** failures);
  return Math.max(most * (0.5 + Math.random() / 2), advised * (1 + Math.random() / 4));
}
