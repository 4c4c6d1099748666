// The warning, drawn: a dialog in a shadow tree, so that the page's style and this
// one leave each other alone, without a byte of markup, for the strictest policy.

const text = {
  idle: {
    title: "Are you still there?",
    why: "Nothing has happened here for a while. To protect you, your session ends in",
    keep: "Stay signed in",
  },
  expired: {
    title: "Your session is about to end",
    why: "A session lasts only so long, whatever you do. Save your work: this one ends in",
    keep: "Sign in again",
    later: "Not yet",
  },
  leave: "Sign out",
  away: "The service does not answer. Trying again …",
  over: "a moment",
};

// The colours are those of the service's pages.
const sheet = `
:host { all: initial; }
dialog {
  --sheet: #ffffff; --text: #1a1d24; --soft: #565d6b; --line: #dfe2e8; --accent: #1f4fd1; --on-accent: #ffffff; --wrong: #a3161d;
  color-scheme: light dark;
  box-sizing: border-box; width: min(26rem, calc(100vw - 2rem)); max-height: calc(100vh - 2rem); overflow: auto;
  margin: auto; padding: 1.75rem; border: 1px solid var(--line); border-radius: 1rem;
  background: var(--sheet); color: var(--text); box-shadow: 0 1px 2px #0000001f, 0 16px 48px #0000003d;
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif;
}
dialog::backdrop { background: #10121799; backdrop-filter: blur(2px); }
h2 { margin: 0 0 .5rem; font-size: 1.25rem; line-height: 1.3; letter-spacing: -.01em; text-wrap: balance; }
p { margin: 0; color: var(--soft); }
.clock { margin: .75rem 0 1.25rem; color: var(--text); font-size: 2.5rem; font-weight: 600; line-height: 1.1; font-variant-numeric: tabular-nums; }
.fault { margin: 0 0 1rem; color: var(--wrong); }
.fault:empty { display: none; }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
.row { display: flex; flex-wrap: wrap; gap: .75rem; }
button { flex: 1 1 auto; padding: .6875rem 1.25rem; border: 1px solid var(--accent); border-radius: .5rem;
  background: var(--accent); color: var(--on-accent); font: inherit; font-weight: 600; cursor: pointer; }
.quiet { background: transparent; color: var(--accent); }
button:hover { filter: brightness(1.08); }
button[aria-disabled=true] { opacity: .6; cursor: progress; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
@media (prefers-color-scheme: dark) {
  dialog { --sheet: #1a1d24; --text: #e9ebf0; --soft: #a6adbb; --line: #2c313b; --accent: #9db8ff; --on-accent: #0d1730; --wrong: #ffb3b3; }
  dialog::backdrop { background: #000000a6; }
}
@media (max-width: 30rem) { dialog { margin-bottom: 1rem; } }
`;

// newDialog draws what keeper says. signIn leads to the login page.
function newDialog(keeper, signIn) {
  let host = null; // the element on the page, while the dialog is open
  let parts = null;
  let ticking = 0;
  let said = 0; // which of its steps was last read out

  function open() {
    close();
    const { warning } = keeper.status;
    host = document.createElement("sealring-warning");
    parts = build(host.attachShadow({ mode: "open" }), warning);
    document.body.append(host);
    parts.dialog.showModal();
    parts.first.focus();
    ticking = setInterval(draw, second);
    said = 0;
    draw();
  }

  function close() {
    clearInterval(ticking);
    host?.remove();
    host = null;
  }

  function build(root, warning) {
    const style = new CSSStyleSheet();
    style.replaceSync(sheet);
    root.adoptedStyleSheets = [style];
    const words = text[warning];
    const keep = button(words.keep, "", warning === "idle" ? stay : signIn);
    const aside = warning === "idle" ? button(text.leave, "quiet", leave) : button(words.later, "quiet", close);
    const clock = element("p", { id: "left", className: "clock", role: "timer" });
    const aloud = element("p", { className: "unseen", ariaLive: "polite" });
    const fault = element("p", { className: "fault", role: "status" });
    const dialog = element("dialog", { role: "alertdialog" },
      element("h2", { id: "title", textContent: words.title }), element("p", { id: "why", textContent: words.why }),
      clock, aloud, fault, element("div", { className: "row" }, keep, aside));
    dialog.setAttribute("aria-labelledby", "title");
    dialog.setAttribute("aria-describedby", "why left");
    dialog.addEventListener("cancel", (event) => { // Escape: somebody is there
      event.preventDefault();
      if (warning === "idle") stay();
      else close();
    });
    root.append(dialog);
    // The session's end does not wait until nobody types: what the next key does
    // must lead nowhere.
    const first = warning === "idle" ? keep : aside;
    return { dialog, keep, first, clock, aloud, fault };
  }

  // stay and leave work through an outage; draw closes when there is no warning.
  function stay() {
    parts.keep.ariaDisabled = "true";
    keeper.stay().catch(() => {});
  }

  async function leave() {
    try {
      await keeper.logout();
    } catch {
      if (host) parts.fault.textContent = text.away;
    }
  }

  function draw() {
    if (!host) return;
    const { warning, reachable } = keeper.status;
    if (!warning) return close();
    const left = Math.ceil(keeper.left() / second);
    parts.clock.textContent = left > 0 ? `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}` : text.over;
    parts.fault.textContent = reachable ? "" : text.away;
    readOut(left);
  }

  // readOut tells a screen reader what is left, now and then.
  function readOut(left) {
    const step = [10, 30, 60, 120, 300].find((step) => left <= step) ?? Infinity;
    if (step === said) return;
    said = step;
    parts.aloud.textContent = left >= 90 ? `${Math.round(left / 60)} minutes left` : `${left} seconds left`;
  }

  return { open, draw };
}

function element(name, { role, ...properties } = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  if (role) made.setAttribute("role", role);
  made.append(...children);
  return made;
}

function button(label, className, act) {
  const made = element("button", { type: "button", textContent: label, className });
  made.addEventListener("click", act);
  return made;
}
