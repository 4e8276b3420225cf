/** Numbers, sizes and times in the words of web/pages/words.ts, for what scripts put on a page. */

const integers = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

/** @param {number} count */
export const countText = (count) => integers.format(count);

/** @param {number} bytes */
export function sizeText(bytes) {
  const units = ["bytes", "kB", "MB", "GB", "TB", "PB"];
  let [value, unit] = [bytes, 0];
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1_000;
    unit += 1;
  }
  return `${value.toFixed(unit > 0 && value < 9.95 ? 1 : 0)} ${units[unit]}`;
}

/** @param {number} durationMs */
export function durationText(durationMs) {
  if (durationMs < 1_000) return `${Math.round(durationMs)} ms`;
  const seconds = Math.round(durationMs / 1_000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`;
  return `${countText(Math.floor(minutes / 60))} h ${minutes % 60} min`;
}

/** @param {string | number} instant */
export const instantText = (instant) =>
  `${new Date(instant).toISOString().slice(0, 16).replace("T", " ")} UTC`;
