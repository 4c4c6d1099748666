// A clock that moves when it is told to. fakeTime is whole in itself: it is also
// sent into a browser's pages, as text.
export function fakeTime(g, start) {
  const timers = new Map();
  let at = start.at, wall = start.wall, last = 0;
  const add = (f, ms, every) => {
    timers.set(++last, { due: at + Math.max(0, Number(ms) || 0), f, every });
    return last;
  };
  const RealDate = g.Date;
  g.Date = class extends RealDate {
    constructor(...args) {
      super(...(args.length ? args : [wall + at]));
    }
    static now = () => wall + at;
  };
  g.performance.now = () => at;
  g.setTimeout = (f, ms, ...args) => add(() => f(...args), ms);
  g.setInterval = (f, ms, ...args) => add(() => f(...args), ms, ms);
  g.clearTimeout = g.clearInterval = (id) => timers.delete(id);
  const next = () => Math.min(Infinity, ...Array.from(timers.values(), (t) => t.due));
  return {
    next,
    // to moves on and lets every timer go off whose time has come.
    to(then) {
      at = Math.max(at, then);
      for (const [id, t] of Array.from(timers).sort(([, a], [, b]) => a.due - b.due)) {
        if (t.due > at || !timers.has(id)) continue;
        if (t.every) t.due = at + t.every;
        else timers.delete(id);
        t.f();
      }
    },
    // sleep is what a machine does: the wall clock alone goes on.
    sleep(ms) {
      wall += ms;
    },
  };
}
