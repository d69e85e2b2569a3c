"use strict";
// Puts in place what the server sends; a page that is hidden asks for nothing.
const status = document.getElementById("connection");
let source;
const connect = () => {
  source = new EventSource("/events");
  source.onmessage = event => {
    status.textContent = status.dataset.live;
    for (const [name, html] of Object.entries(JSON.parse(event.data))) document.getElementById(name).innerHTML = html;
  };
  source.onerror = () => { status.textContent = status.dataset.lost; };
};
document.addEventListener("visibilitychange", () => { if (document.hidden) source.close(); else connect(); });
connect();
