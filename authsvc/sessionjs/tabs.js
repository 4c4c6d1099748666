// What the tabs of one origin share: news, a turn to refresh, and two notes in
// local storage. A refresh is safe without any of it, since however many tabs ask
// get the same successor; it saves requests. So each has a weaker stand-in where a
// browser lacks it.

const longestWay = 2 * second; // of news; a tab that was frozen hears what was said long ago
const longestNote = 600 * second; // whoever was there before has gone

function newTabs(base, hear) {
  const name = (of) => `sealring ${of} ${base}`;
  const store = storage();
  const tell = newChannel(name("news"), store, (news) => hear(news, Math.abs(Date.now() - news.at) <= longestWay));
  return {
    tell: (news) => tell({ ...news, at: Date.now() }),
    alone: (work) => alone(name("turn"), store, work),
    retry: retryNote(name("retry"), store),
    active: activeNote(name("active"), store),
  };
}

// storage is local storage, or as much of it as this page alone sees.
function storage() {
  try {
    localStorage.setItem("sealring", "");
    localStorage.removeItem("sealring");
    return localStorage;
  } catch {
    const all = new Map();
    return {
      getItem: (name) => all.get(name) ?? null,
      setItem: (name, value) => all.set(name, value),
      removeItem: (name) => all.delete(name),
    };
  }
}

// newChannel returns what tells the other tabs.
function newChannel(name, store, hear) {
  if (typeof BroadcastChannel === "function") {
    const channel = new BroadcastChannel(name);
    channel.onmessage = (event) => hear(event.data);
    return (news) => channel.postMessage(news);
  }
  addEventListener("storage", (event) => {
    if (event.key === name && event.newValue) hear(JSON.parse(event.newValue));
  });
  return (news) => store.setItem(name, JSON.stringify(news));
}

// alone does the work unless another tab is at it, and says whether it did.
// Nobody queues: who comes second soon hears what the first was told.
async function alone(name, store, work) {
  if (navigator.locks) {
    return navigator.locks.request(name, { ifAvailable: true }, async (turn) => {
      if (turn) await work();
      return Boolean(turn);
    });
  }
  const taken = Number(store.getItem(name)) - Date.now();
  if (taken > 0 && taken <= patience) return false;
  store.setItem(name, String(Date.now() + patience));
  try {
    await work();
  } finally {
    store.removeItem(name);
  }
  return true;
}

// retryNote keeps the id that makes a lost answer harmless: made before the first
// attempt with a refresh token, sent by whichever tab attempts again, forgotten
// once the answer is there, which has brought the next token.
function retryNote(name, store) {
  return {
    id() {
      const id = store.getItem(name) ?? randomID();
      store.setItem(name, id);
      return id;
    },
    forget: () => store.removeItem(name),
  };
}

function randomID() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
}

// activeNote says that somebody was there since the last refresh that told the
// service so. It outlives the page: what shows activity often leads to the next.
function activeNote(name, store) {
  const at = () => Number(store.getItem(name));
  const is = () => Math.abs(Date.now() - at()) < longestNote;
  return {
    is,
    mark: () => store.setItem(name, String(Date.now())),
    // take is for who tells the service, and returns what puts back a note that
    // has not arrived, as old as it was.
    take() {
      if (!is()) return null;
      const noted = store.getItem(name);
      store.removeItem(name);
      return () => at() || store.setItem(name, noted);
    },
  };
}
