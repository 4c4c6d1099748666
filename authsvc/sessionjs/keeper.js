// The keeper of the session in this tab: it knows when the session ends, sees to
// it that there is a valid access token as long as there is a session, and says in
// time when there will be none.
//
// One step at a time: look at the clock, do the one thing that is most urgent, plan
// the next look. Whatever comes meanwhile, from the page, another tab or the
// machine, only changes what the next step finds.

const longestNap = 20 * second; // nothing else wakes a tab after a sleep of the machine
const leastNap = 50;
const ahead = 60 * second; // of an access token's end; browsers wake hidden tabs once a minute
const recent = 5 * second;

// newKeeper calls on with what has happened: "change" whenever something has,
// "refreshed", "warning" and "ended" for the page.
function newKeeper({ service, tabs, warnAhead, on }) {
  const s = {
    state: "unknown", // then "active", or "none" where nobody was signed in; "ended"
    reason: "", // why it has ended
    warning: "", // what is about to end it: "idle" or "expired"
    subject: "",
    access: 0, idle: 0, session: 0, // when each ends
    longest: 0, // that was ever left until the idle end
    due: Infinity, // when to refresh
    answered: -Infinity, // when what is known was asked for
    doubt: true, // whether to ask before anything else
    wanted: "", // a refresh that somebody waits for: "any", or "foreground"
    failures: 0, // in a row
    notBefore: 0, // no request before
  };
  const slept = sleepWatch();
  let timer = 0;
  let busy = false;
  let waiting = [];

  const end = () => Math.min(s.idle, s.session);
  const endsAs = () => (s.session <= s.idle ? "expired" : "idle");
  const warnAt = () => end() - Math.min(warnAhead, s.longest / 2); // a short session is not all warning
  const near = () => s.state === "active" && now() >= warnAt();
  const over = () => s.state === "ended" || s.state === "none";
  const refreshAt = () => (s.wanted ? 0 : Math.min(s.due, end() + second)); // after the end, to hear so

  async function step() {
    if (slept()) s.doubt = true;
    const may = now() >= s.notBefore;
    if (s.doubt && may) return look();
    if (over()) return;
    if (near() && !s.warning) return approach(may);
    if (may && now() >= refreshAt()) return refresh();
    // A page of another origin may have prolonged the session.
    if (may && s.warning === "idle" && now() - s.answered >= longestNap) return look();
  }

  // run takes a step, unless one is being taken, and plans the next.
  async function run() {
    if (busy) return;
    busy = true;
    try {
      await step();
    } finally {
      busy = false;
      plan();
    }
  }

  function plan() {
    clearTimeout(timer);
    if (over() && !s.doubt) return;
    const request = Math.max(s.doubt ? 0 : refreshAt(), s.notBefore);
    const warn = s.warning || s.state !== "active" ? Infinity : warnAt();
    const at = Math.min(request, warn, now() + longestNap);
    timer = setTimeout(run, Math.max(at - now(), leastNap));
  }

  // look asks what is left, which costs the service next to nothing: the page is
  // new, the machine has slept, or a page of another origin may have refreshed.
  async function look() {
    const asked = now();
    const answer = await service.session();
    if (s.state === "ended") return;
    if (answer.kind === "away") return failed(answer.advised);
    s.doubt = false;
    if (answer.kind === "granted") take(answer, asked);
    else if (!over()) await refresh(); // the access token has run out, or everything has
  }

  // refresh is for all tabs. It tells the service whether somebody was there.
  async function refresh() {
    const did = await tabs.alone(async () => {
      const putBack = tabs.active.take();
      const quiet = !putBack;
      const asked = now();
      const answer = await service.refresh(quiet, tabs.retry.id());
      if (answer.kind === "away") {
        putBack?.();
        const pause = failed(answer.advised);
        tabs.tell({ kind: "away", failures: s.failures, pause });
        return;
      }
      tabs.retry.forget();
      tabs.tell({ ...answer, quiet, age: now() - asked });
      learn(answer, quiet, asked);
    });
    if (!did) s.notBefore = now() + 2 * second + Math.random() * second;
  }

  // learn takes the service's answer to a refresh, of this tab or another.
  function learn(answer, quiet, asked) {
    if (s.state === "ended") return;
    if (answer.kind === "ended") return finish(answer.reason);
    take(answer, asked);
    if (over()) return;
    satisfy(quiet);
    on("refreshed");
  }

  // take believes an answer about a session that lives, asked for at that time.
  function take(answer, asked) {
    if (asked < s.answered) return; // overtaken
    if (s.subject && answer.subject !== s.subject) return finish("replaced");
    s.state = "active";
    s.subject = answer.subject;
    s.access = asked + answer.access;
    s.idle = asked + answer.idle;
    s.session = asked + answer.session;
    s.longest = Math.max(s.longest, answer.idle);
    s.answered = asked;
    s.failures = s.notBefore = 0;
    s.doubt = false;
    s.due = dueAt(answer.access);
    if (!near()) s.warning = "";
    on("change");
  }

  // dueAt is when to refresh: earlier in a tab that is looked at, so that the
  // others hear of it in time; never where that would prolong nothing.
  function dueAt(left) {
    if (end() - s.access <= recent) return Infinity;
    const lag = document.visibilityState === "visible" ? 0 : recent;
    return s.access - Math.min(ahead, left / 4) + lag + Math.random() * recent;
  }

  // satisfy tells those who wait. A service without its store renews an access
  // token and does not put the idle end off: whoever wants to stay goes on asking.
  function satisfy(quiet) {
    if (s.wanted === "foreground" && (quiet || (s.warning === "idle" && near()))) {
      tabs.active.mark();
      if (!quiet) s.notBefore = now() + recent;
      return;
    }
    s.wanted = "";
    settle((w) => w.resolve());
  }

  function settle(each) {
    const all = waiting;
    waiting = [];
    all.forEach(each);
  }

  // approach comes before a warning: somebody may be here, or have been on a page
  // of another origin. Where nobody can be asked, the warning stands.
  async function approach(may) {
    if (may && tabs.active.is()) await refresh();
    else if (may && now() - s.answered > recent) await look();
    if (over() || !near()) return;
    s.warning = endsAs();
    on("warning");
    on("change");
  }

  // failed puts the next request off, and returns by how much.
  function failed(advised) {
    s.failures++;
    const pause = pauseAfter(s.failures, advised, s.warning && now() < end() ? briefPause : longestPause);
    s.notBefore = now() + pause;
    on("change");
    return pause;
  }

  // finish ends the session here. Where the cookies have run out, which they do in
  // whole seconds, the service can not say why; the clock can.
  function finish(reason) {
    const known = s.state === "active";
    s.reason = reason || (known && now() > end() - 2 * second ? endsAs() : "");
    s.state = known ? "ended" : "none";
    s.warning = s.wanted = "";
    s.doubt = false;
    clearTimeout(timer);
    settle((w) => w.reject(new Error("the session has ended")));
    on("change");
    if (known) on("ended");
  }

  // hear takes what another tab was told. What has been on the way for long is a
  // reason to ask, no more.
  function hear(news, fresh) {
    if (s.state === "ended") return;
    if (!fresh) s.doubt = true;
    else if (news.kind === "away") {
      s.failures = news.failures;
      s.notBefore = Math.max(s.notBefore, now() + news.pause * (1 + Math.random() / 4));
      on("change");
    } else learn(news, news.quiet, now() - news.age);
    void run();
  }

  // want has the session refreshed at once, and waits for it through any outage.
  function want(kind) {
    if (over()) return Promise.reject(new Error("there is no session"));
    if (s.wanted !== "foreground") s.wanted = kind;
    s.notBefore = 0;
    const done = new Promise((resolve, reject) => waiting.push({ resolve, reject }));
    void run();
    return done;
  }

  return {
    run,
    hear,
    refresh: () => want("any"),
    stay() {
      tabs.active.mark();
      return want("foreground");
    },
    async logout() {
      const answer = await service.logout();
      if (answer.kind === "away") throw new Error("the service does not answer");
      tabs.retry.forget();
      tabs.tell({ kind: "ended", reason: "logout" });
      if (s.state !== "ended") finish("logout");
    },
    // doubt is for when this tab may have missed something.
    doubt() {
      if (s.state !== "ended" && now() - s.answered > recent) s.doubt = true;
      void run();
    },
    // active is for every sign of a person. A warning wants an answer, no less.
    active() {
      if (!over() && !s.warning) tabs.active.mark();
    },
    left: () => Math.max(0, end() - now()),
    get status() {
      const of = (at) => Math.max(0, Math.floor((at - now()) / second));
      const { state, reason, warning, subject } = s;
      return { state, reason, warning, subject, access: of(s.access), idle: of(s.idle), session: of(s.session), reachable: s.failures === 0 };
    },
  };
}
