/**
 * The log of a build as it is said: a stream of text whose ids are positions in the log, so that nothing is lost or
 * doubled when it was cut. Only ever shown as text, and only its last part: the whole is in the viewer, once it is published.
 */
import { cleanLine } from "../log-text.js";

const MOST_CHARACTERS = 1_000_000;
/** A line of a part that has no end yet. */
const MOST_REST = 100_000;

/** @param {string} id */
function part(id) {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no ${id}`);
  return found;
}

const pre = part("live-log");
const state = part("log-state");
const follow = part("follow");
const url = pre.dataset["url"] ?? "";

let position = "0";
let rest = "";
let shownCharacters = 0;
let isOver = false;
let tries = 0;
/** @type {EventSource | undefined} */
let source;

/** @param {string} text */
function say(text) {
  if (state.textContent !== text) state.textContent = text;
}

const isFollowing = () => follow instanceof HTMLInputElement && follow.checked;

/** @param {string} text */
function show(text) {
  if (text === "") return;
  pre.append(document.createTextNode(text));
  shownCharacters += text.length;
  while (shownCharacters > MOST_CHARACTERS && pre.childNodes.length > 1) {
    shownCharacters -= pre.firstChild?.textContent?.length ?? 0;
    pre.firstChild?.remove();
  }
  if (isFollowing()) pre.scrollTop = pre.scrollHeight;
}

/** @param {string} text */
function add(text) {
  const lines = (rest + text).split("\n");
  rest = lines.pop() ?? "";
  if (rest.length > MOST_REST) {
    lines.push(rest);
    rest = "";
  }
  show(lines.map((line) => `${cleanLine(line)}\n`).join(""));
}

function open() {
  source?.close();
  source = new EventSource(`${url}?from=${position}`);
  source.addEventListener("text", (event) => {
    tries = 0;
    position = event.lastEventId;
    const { text, skippedBytes } = JSON.parse(event.data);
    if (skippedBytes > 0) add(`\n[… ${skippedBytes} bytes of the log were not kept]\n`);
    add(text);
    say("Shown as it is said.");
  });
  source.addEventListener("build", (event) => {
    const { name, phase, facts } = JSON.parse(event.data);
    const about = part("build-facts");
    // Made by the page's own functions: see web/dashboard/pages/build.ts.
    about.innerHTML = facts;
    const kept = part("kept-log");
    const token = /\/builds\/(\d+)\//.exec(url)?.[1] ?? "";
    kept.setAttribute("href", `/log.html?${new URLSearchParams({ build: token, project: name })}`);
    kept.hidden = phase === "running";
  });
  source.addEventListener("trouble", (event) => {
    const { text, isForNow } = JSON.parse(event.data);
    say(isForNow ? `${text}; asks again.` : `${text}.`);
  });
  source.addEventListener("end", () => {
    isOver = true;
    source?.close();
    if (rest !== "") add("\n");
    if (state.textContent === "Shown as it is said." || state.textContent === "Connects…")
      say("That is the end of it.");
  });
  source.addEventListener("error", () => {
    if (isOver) return;
    say("Cut off; tries again.");
    if (source?.readyState !== EventSource.CLOSED) return;
    tries += 1;
    setTimeout(open, Math.min(1_000 * tries, 10_000));
  });
}

document.addEventListener("visibilitychange", () => {
  if (isOver) return;
  if (document.visibilityState === "visible") open();
  else source?.close();
});
addEventListener("pagehide", () => source?.close());
addEventListener("pageshow", (event) => {
  if (event.persisted && !isOver) open();
});
// Who scrolls up reads there; who scrolls to the end follows.
pre.addEventListener("scroll", () => {
  if (follow instanceof HTMLInputElement)
    follow.checked = pre.scrollTop + pre.clientHeight >= pre.scrollHeight - 8;
});
follow.addEventListener("change", () => {
  if (isFollowing()) pre.scrollTop = pre.scrollHeight;
});
say("Connects…");
open();
