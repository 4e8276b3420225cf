/**
 * Times on the dashboard: how long something has been so, counted on while one looks, and instants in the reader's own
 * time. What the clock of this machine differs from the master's is told by the stream.
 */
import { durationText } from "../words.js";

let aheadMs = 0;

/** @param {number} masterNow what the clock of the master says now, in ms since 1970 */
export function setClock(masterNow) {
  aheadMs = Date.now() - masterNow;
}

/** By the clock of the master. */
export const now = () => Date.now() - aheadMs;

const clock = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle: "h23",
});
const dayAndClock = new Intl.DateTimeFormat(undefined, {
  month: "short",
  day: "numeric",
  hour: "2-digit",
  minute: "2-digit",
  hourCycle: "h23",
});

const DAY_MS = 86_400_000;

/** @param {ParentNode} root */
export function showTimes(root) {
  for (const element of root.querySelectorAll("time[data-since]")) {
    const since = Number(element.getAttribute("data-since"));
    const text = shortDuration(Math.max(0, now() - since));
    if (element.textContent !== text) element.textContent = text;
  }
  for (const element of root.querySelectorAll("time[data-at]")) {
    const at = Number(element.getAttribute("data-at"));
    const format = now() - at < DAY_MS / 2 ? clock : dayAndClock;
    element.textContent = format.format(at + aheadMs);
    element.removeAttribute("data-at");
  }
}

/** @param {number} ms */
function shortDuration(ms) {
  if (ms < 1_000) return "0 s";
  return ms < 2 * DAY_MS ? durationText(ms) : `${Math.floor(ms / DAY_MS)} days`;
}
