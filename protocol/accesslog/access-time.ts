/** Instants as logs write them. Lines of one second share the text, so the last one read is kept. */

const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const pattern =
  /^(\d{2})\/([A-Z][a-z]{2})\/(\d{4}):(\d{2}):(\d{2}):(\d{2})(?:\.\d{1,9})? ([+-])(\d{2})(\d{2})$/;

let lastText = "";
let lastAt: number | undefined;

/** `22/Nov/2026:17:00:01 +0100` as ms since 1970; undefined where it is no such time. */
export function parseAccessTime(text: string): number | undefined {
  if (text === lastText) return lastAt;
  lastText = text;
  lastAt = parse(text);
  return lastAt;
}

function parse(text: string): number | undefined {
  const match = pattern.exec(text);
  if (match === null) return undefined;
  const [, day, monthName = "", year, hour, minute, second, sign, zoneHours, zoneMinutes] = match;
  const month = months.indexOf(monthName);
  const isInRange =
    month >= 0 &&
    Number(hour) < 24 &&
    Number(minute) < 60 &&
    Number(second) <= 60 &&
    Number(zoneHours) <= 15;
  const date = new Date(Date.UTC(Number(year), month, Number(day)));
  // The 31st of a month that has 30 would be the 1st of the next.
  if (!isInRange || Number(day) !== date.getUTCDate()) return undefined;
  const offsetMinutes = (Number(zoneHours) * 60 + Number(zoneMinutes)) * (sign === "-" ? -1 : 1);
  const minutes = Number(hour) * 60 + Number(minute) - offsetMinutes;
  return date.getTime() + (minutes * 60 + Number(second)) * 1_000;
}

/** Time since 1970 in a unit, as Apache's `%{sec}t`, `%{msec}t` and `%{usec}t` and nginx's `$msec` write it. */
export function parseEpoch(text: string, perSecond: number): number | undefined {
  return /^\d{1,17}(?:\.\d{1,9})?$/.test(text)
    ? Math.floor((Number(text) / perSecond) * 1_000)
    : undefined;
}
