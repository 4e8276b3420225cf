/**
 * Keeps a page of the dashboard as the farm is: a stream of events says which pieces have changed. Each has an id, and
 * whoever was cut off says the last one and is sent what has changed since. While nobody looks at the page (another
 * tab is in front) it has no stream, since browsers have only a few connections to a site.
 */
import { applyFilter } from "./filter.js";
import { keepOnly, put, remove } from "./pieces.js";
import { setClock, showTimes } from "./times.js";

const { stream: url = "", streamId = "" } = document.body.dataset;
const live = document.getElementById("live");

let lastId = streamId;
/** @type {EventSource | undefined} */
let source;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let again;
let tries = 0;

/** @param {string} text @param {string} state */
function say(text, state) {
  if (live === null || live.textContent === text) return;
  live.textContent = text;
  live.className = state;
}

function open() {
  clearTimeout(again);
  source?.close();
  source = new EventSource(`${url}&from=${encodeURIComponent(lastId)}`);
  source.addEventListener("update", (event) => {
    tries = 0;
    lastId = event.lastEventId;
    apply(JSON.parse(event.data));
    say("live", "good");
  });
  source.addEventListener("error", () => {
    say("cut off; tries again", "bad");
    // It tries again by itself, unless it was answered with something else than a stream.
    if (source?.readyState === EventSource.CLOSED) comeBack();
  });
}

function comeBack() {
  tries += 1;
  clearTimeout(again);
  again = setTimeout(
    () => void openWhereLetIn(),
    Math.min(1_000 * tries, 10_000) * (0.75 + Math.random() / 2),
  );
}

/** A token that has ended leads to the login, as it does for who comes to the page. */
async function openWhereLetIn() {
  try {
    const { type } = await fetch(location.href, { redirect: "manual", cache: "no-store" });
    if (type === "opaqueredirect") {
      const path = location.pathname + location.search;
      location.assign(`/farm/login?next=${encodeURIComponent(path)}`);
      return;
    }
  } catch {
    // The farm does not answer: tried again below.
  }
  open();
}

/** @param {{ now: number, isWhole: boolean, pieces: import("./pieces.js").Piece[], gone: string[] }} update */
function apply({ now, isWhole, pieces, gone }) {
  setClock(now);
  if (isWhole) keepOnly(pieces);
  for (const key of gone) remove(key);
  for (const piece of pieces) put(piece);
  applyFilter();
  showTimes(document);
  document.dispatchEvent(new CustomEvent("farm-update"));
}

document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible") open();
  else {
    clearTimeout(again);
    source?.close();
  }
});
// A page that lies in the browser's memory of pages has no stream.
addEventListener("pagehide", () => source?.close());
addEventListener("pageshow", (event) => {
  if (event.persisted) open();
});
setInterval(() => showTimes(document), 1_000);
showTimes(document);
applyFilter();
say("connects", "busy");
open();
