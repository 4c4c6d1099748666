// The dashboard's page. The session is the business of session.js, which keeps it
// alive and leads to the page that says why once it has ended.
const ended = 4401, stale = 4408; // see CloseCode in the middleware
const list = document.querySelector("dl");
let name;

function connect() {
  const events = new EventSource("/events"); // which connects again by itself, unless it is refused
  events.addEventListener("name", ({ data }) => (name = JSON.parse(data)));
  events.addEventListener("status", ({ data }) => show(JSON.parse(data)));
  events.addEventListener("end", ({ data }) => {
    name = undefined;
    if (+data !== ended && +data !== stale) return;
    events.close();
    setTimeout(again, 500 + 2000 * Math.random());
  });
  events.onerror = () => events.readyState === EventSource.CLOSED && location.reload(); // which leads to what cures it
}

// again asks whether there is a session still. That is done a moment later, for by
// then a tab that was signed out knows by itself, and not all ask at once.
const again = () => sealring.refresh().then(connect, () => {});

function show(status) {
  list.replaceChildren();
  for (const [what, value] of Object.entries(status)) {
    const [term, text] = [document.createElement("dt"), document.createElement("dd")];
    [term.textContent, text.textContent] = [what, value];
    list.append(term, text);
  }
}

document.querySelector("#out").onclick = () => sealring.logout();
addEventListener("sealring:refreshed", () => name && fetch(`/events/${name}/renew`, { method: "POST" }));
connect();
