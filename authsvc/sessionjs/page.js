// The page: what it says to this script, and what it is told.
//
//   <script src="https://auth.example.com/session.js" defer></script>
//
// data-warn="120"   how many seconds before the end the warning comes; at least 30
// data-login="URL"  where to go once the session has ended, in place of the service's
//                   own page; ?reason=…&return_to=… is added
// data-events-only  no dialog, and no way to the login page: the page does that
//
// Events of window, whose detail is sealring.status: sealring:refreshed, and
// sealring:warning and sealring:ended. preventDefault() on those two keeps the
// dialog, or the way to the login page, from coming this once.

const signs = ["pointerdown", "pointermove", "keydown", "wheel", "touchstart"]; // of a person

function start(script) {
  const { warn, login, eventsOnly } = script.dataset;
  const base = script.src.replace(/\/session\.js([?#].*)?$/, "");
  const service = newService(base);
  const tabs = newTabs(base, (...news) => keeper.hear(...news));
  const keeper = newKeeper({ service, tabs, warnAhead: Math.max(Number(warn) || 120, 30) * second, on });
  const dialog = newDialog(keeper, () => go(login ?? base + "/login"));

  function on(what) {
    if (what === "change") return dialog.draw();
    const event = new CustomEvent("sealring:" + what, { detail: keeper.status, cancelable: true });
    if (!dispatchEvent(event) || eventsOnly !== undefined) return;
    if (what === "warning") dialog.open();
    if (what === "ended") go(login ?? base + "/sessions-ended", keeper.status.reason);
  }

  watch(keeper);
  void keeper.run();
  return Object.freeze({
    refresh: () => keeper.refresh(),
    stay: () => keeper.stay(),
    logout: () => keeper.logout(),
    get status() {
      return keeper.status;
    },
  });
}

// go leaves for a page that knows the way back.
function go(to, reason) {
  const url = new URL(to, location.href);
  if (reason) url.searchParams.set("reason", reason);
  const here = location.href;
  url.searchParams.set("return_to", here.length < 2000 ? here : location.origin + location.pathname);
  location.assign(url);
}

// watch listens for signs of a person, and for what a tab may have missed.
function watch(keeper) {
  let marked = -Infinity;
  const sign = (event) => {
    if (!event.isTrusted || now() - marked < second) return;
    marked = now();
    keeper.active();
  };
  for (const name of signs) addEventListener(name, sign, { capture: true, passive: true });
  for (const name of ["pageshow", "online", "focus"]) addEventListener(name, () => keeper.doubt());
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && keeper.doubt());
}

if (!document.currentScript?.src) throw new Error("sealring: load session.js with <script src>");
window.sealring ??= start(document.currentScript);
