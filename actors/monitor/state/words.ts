/** Times, counts and sizes in the few letters that a screen has room for. */

/** `42 s`, `12 min`, `3 h`, `4 d`: at most 7 columns. */
export function timeText(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1_000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7_200) return `${Math.floor(seconds / 60)} min`;
  const hours = Math.floor(seconds / 3_600);
  return hours < 48 ? `${hours} h` : `${Math.floor(hours / 24)} d`;
}

const digits = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

export const countText = (count: number): string => digits.format(count);

const UNITS = ["B", "kB", "MB", "GB", "TB", "PB"];

/** Three digits that count: `1.25 GB`. */
export function sizeText(bytes: number): string {
  let value = Math.max(0, bytes);
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1_000;
    unit += 1;
  }
  const shown = unit === 0 ? String(Math.round(value)) : value.toPrecision(3);
  return `${shown} ${UNITS[unit]}`;
}

/** `12:03:59` of this machine's time zone. */
export function clockText(at: number): string {
  const date = new Date(at);
  return [date.getHours(), date.getMinutes(), date.getSeconds()]
    .map((part) => String(part).padStart(2, "0"))
    .join(":");
}

/** `1 slave`, `3 slaves`. */
export const counted = (count: number, one: string): string =>
  `${countText(count)} ${one}${count === 1 ? "" : "s"}`;
