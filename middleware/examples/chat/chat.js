// The chat's page. The session is the business of session.js, which keeps it alive
// and leads to the page that says why once it has ended.
const ended = 4401, stale = 4408; // see CloseCode in the middleware
const form = document.querySelector("form");
const state = document.querySelector("output");
let socket, name, me;

function connect() {
  socket = new WebSocket(location.origin.replace("http", "ws") + "/socket");
  socket.onmessage = ({ data }) => hear(JSON.parse(data));
  socket.onclose = ({ code }) => {
    name = undefined;
    state.value = "closed with " + code;
    setTimeout(code === ended || code === stale ? again : connect, 500 + 2000 * Math.random());
  };
}

// again asks whether there is a session still. That is done a moment later, for by
// then a tab that was signed out knows by itself, and not all ask at once.
const again = () => sealring.refresh().then(connect, () => {});

function hear(message) {
  if (message.socket) {
    [name, me, state.value] = [message.socket, message.from, "connected"];
    return;
  }
  const line = document.createElement("li");
  line.textContent = (message.from === me ? "you" : message.from) + ": " + message.text;
  document.querySelector("ol").append(line);
}

form.onsubmit = (event) => {
  event.preventDefault();
  socket.send(JSON.stringify({ text: form.elements.text.value }));
  form.reset();
};
document.querySelector("#out").onclick = () => sealring.logout();
addEventListener("sealring:refreshed", () => name && fetch(`/socket/${name}/renew`, { method: "POST" }));
connect();
