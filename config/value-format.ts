/**
 * How the text of an option becomes a value: one format a kind, registered with convict by name.
 *
 * Every source (file, environment, command line, written default) gives text, so each format is a
 * parser from text. A parser throws an Error whose message completes "dsn: …".
 */
import { homedir } from "node:os";
import { resolve } from "node:path";
import type { ListenAddress } from "./settings.ts";

export interface ValueFormat<T> {
  /** Unique; convict knows the format by it. */
  readonly name: string;
  /** @throws Error saying what was expected and what was there */
  parse(text: string): T;
}

const UNIT_MS: Readonly<Record<string, number>> = {
  ms: 1,
  "": 1_000,
  s: 1_000,
  m: 60_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};
/** Node's timers overflow beyond this. */
const MAX_DURATION_MS = 2 ** 31 - 1;

/** `500ms`, `90s`, `5m`, `3h`, `1d`, or plain seconds; longer than zero, at most 24 days. */
export const durationFormat: ValueFormat<number> = {
  name: "piw-duration",
  parse(text) {
    const match = /^(\d+(?:\.\d+)?)\s*(ms|s|min|m|h|d)?$/i.exec(text.trim());
    const unitMs = UNIT_MS[(match?.[2] ?? "").toLowerCase()] ?? 0;
    const valueMs = Math.round(Number(match?.[1]) * unitMs);
    if (match === null) {
      throw new Error(`"${text}" is no duration such as 90s, 3h, 500ms or 60 (seconds)`);
    }
    if (!(valueMs >= 1 && valueMs <= MAX_DURATION_MS)) {
      throw new Error(`"${text}" is out of range: a duration is longer than 0 and at most 24 days`);
    }
    return valueMs;
  },
};

const UNIT_DAYS: Readonly<Record<string, number>> = { d: 1, w: 7, m: 30.4375, y: 365.25 };

/** How long something is kept: `never` expires, or whole days as `90d`, `12w`, `6m` (months), `2y`; up to 100 years. */
export const expiryFormat: ValueFormat<{ readonly days: number } | "never"> = {
  name: "piw-expiry",
  parse(text) {
    const value = text.trim().toLowerCase();
    if (value === "never") {
      return "never";
    }
    const match = /^(\d{1,5})\s*([dwmy])$/.exec(value);
    const days = Math.round(Number(match?.[1]) * (UNIT_DAYS[match?.[2] ?? ""] ?? 0));
    if (!(days >= 1 && days <= 36_525)) {
      throw new Error(
        `"${text}" is neither "never" nor a duration from 1d to 100y such as 90d, 12w, 6m (months) or 2y`,
      );
    }
    return { days };
  },
};

const UNIT_BYTES: Readonly<Record<string, number>> = {
  "": 1,
  k: 1e3,
  m: 1e6,
  g: 1e9,
  t: 1e12,
  ki: 1024,
  mi: 1024 ** 2,
  gi: 1024 ** 3,
  ti: 1024 ** 4,
};

/** `500MB`, `1.5G`, `2GiB`, or plain bytes; 0 is a size. */
export const sizeFormat: ValueFormat<number> = {
  name: "piw-size",
  parse(text) {
    const match = /^(\d+(?:\.\d+)?)\s*(?:([kmgt]i?)?b?)$/i.exec(text.trim());
    const bytes = Math.round(
      Number(match?.[1]) * (UNIT_BYTES[(match?.[2] ?? "").toLowerCase()] ?? 0),
    );
    if (match === null || !Number.isSafeInteger(bytes)) {
      throw new Error(`"${text}" is no size such as 500MB, 2GiB or 0`);
    }
    return bytes;
  },
};

/** A size that limits something, so larger than 0, or `none`. */
export const sizeLimitFormat: ValueFormat<number | "none"> = {
  name: "piw-size-limit",
  parse(text) {
    if (text.trim().toLowerCase() === "none") {
      return "none";
    }
    try {
      const bytes = sizeFormat.parse(text);
      if (bytes > 0) return bytes;
    } catch {
      // Said below, with the other word that it may be.
    }
    throw new Error(`"${text}" is neither a size such as 500MB or 2GiB nor none`);
  },
};

/** A number that limits something, from 1 to 10,000,000, or `none`. */
export const numberLimitFormat: ValueFormat<number | "none"> = {
  name: "piw-number-limit",
  parse(text) {
    if (text.trim().toLowerCase() === "none") {
      return "none";
    }
    const value = /^\d{1,8}$/.test(text.trim()) ? Number(text) : 0;
    if (value < 1 || value > 10_000_000) {
      throw new Error(`"${text}" is neither a whole number from 1 to 10000000 nor none`);
    }
    return value;
  },
};

/** Any text but the empty one. */
export const textFormat: ValueFormat<string> = {
  name: "piw-text",
  parse(text) {
    const value = text.trim();
    if (value === "") {
      throw new Error("it is empty");
    }
    if (value.includes("\0") || value.includes("\n")) {
      throw new Error("it has more than one line");
    }
    return value;
  },
};

/** A path; `~/` is the home folder. Made absolute. */
export const pathFormat: ValueFormat<string> = {
  name: "piw-path",
  parse(text) {
    return resolve(textFormat.parse(text).replace(/^~(?=\/|$)/, () => homedir()));
  },
};

/** `yes`, `true`, `on`, `1` and their opposites. */
export const flagFormat: ValueFormat<boolean> = {
  name: "piw-flag",
  parse(text) {
    const word = text.trim().toLowerCase();
    if (["yes", "true", "on", "1"].includes(word)) {
      return true;
    }
    if (["no", "false", "off", "0"].includes(word)) {
      return false;
    }
    throw new Error(`"${text}" is neither yes nor no`);
  },
};

/** How often a flag such as `-v` is given: 0 to 9, or yes / no for 1 / 0. */
export const levelFormat: ValueFormat<number> = {
  name: "piw-level",
  parse(text) {
    return /^[2-9]$/.test(text.trim()) ? Number(text) : Number(flagFormat.parse(text));
  },
};

/** A whole number from 1 to 64: of Oracles, of slaves. */
export const countFormat: ValueFormat<number> = {
  name: "piw-count",
  parse(text) {
    const value = /^\d{1,3}$/.test(text.trim()) ? Number(text) : 0;
    if (value < 1 || value > 64) {
      throw new Error(`"${text}" is no whole number from 1 to 64`);
    }
    return value;
  },
};

/** A whole number from 0 on: a place in a file. */
export const positionFormat: ValueFormat<number> = {
  name: "piw-position",
  parse(text) {
    if (!/^\d{1,15}$/.test(text.trim())) throw new Error(`"${text}" is no whole number from 0 on`);
    return Number(text);
  },
};

/** Several texts, separated by commas or lines; on the command line the option is repeated instead. */
export const listFormat: ValueFormat<readonly string[]> = {
  name: "piw-list",
  parse(text) {
    return text
      .split(/[,\n]/)
      .map((part) => part.trim())
      .filter((part) => part !== "");
  },
};

/** An http(s) URL without credentials; the slash at the end goes. */
export const urlFormat: ValueFormat<string> = {
  name: "piw-url",
  parse(text) {
    const value = text.trim();
    const url = URL.canParse(value) ? new URL(value) : undefined;
    if (url === undefined || !/^https?:$/.test(url.protocol) || url.hostname === "") {
      throw new Error(`"${text}" is no http:// or https:// URL`);
    }
    return value.replace(/\/+$/, "");
  },
};

/** The same, or `none` for a service that is not there. */
export const urlOrNoneFormat: ValueFormat<string> = {
  name: "piw-url-or-none",
  parse(text) {
    if (text.trim().toLowerCase() === "none") {
      return "none";
    }
    try {
      return urlFormat.parse(text);
    } catch {
      throw new Error(`"${text}" is neither an http:// or https:// URL nor none`);
    }
  },
};

/** What an `urlOrNoneFormat` value means. */
export const urlOrNone = (value: string): string | undefined =>
  value === "none" ? undefined : value;

/** An address or a page where somebody can be reached, as it may stand in a User-Agent's comment. */
export const contactFormat: ValueFormat<string> = {
  name: "piw-contact",
  parse(text) {
    const value = text.trim();
    if (!/^[\x21-\x27\x2a-\x5b\x5d-\x7e]{1,200}$/.test(value)) {
      throw new Error(
        `"${text}" is no contact such as farm@example.org or https://example.org/farm (no spaces or brackets)`,
      );
    }
    return value;
  },
};

/** A database's address: a URL of the scheme postgres or postgresql, parsed further by `db/`. */
export const dsnFormat: ValueFormat<string> = {
  name: "piw-dsn",
  parse(text) {
    const value = text.trim();
    if (!/^postgres(ql)?:\/\//.test(value)) {
      // The text is not shown: it may hold a password.
      throw new Error("it does not begin with postgres:// or postgresql://");
    }
    return value;
  },
};

/** A ZeroMQ address that reaches another process: `tcp://HOST:PORT`, `ipc://PATH`. */
export const queueFormat: ValueFormat<string> = {
  name: "piw-queue",
  parse(text) {
    const value = text.trim();
    const port = /^tcp:\/\/(?:\*|\[[0-9A-Fa-f:.%\w]+\]|[^\s:/[\]]+):(\d{1,5}|\*)$/.exec(value)?.[1];
    const tcp = port !== undefined && (port === "*" || Number(port) <= 65_535);
    if (!tcp && !/^ipc:\/\/\S/.test(value)) {
      throw new Error(
        `"${text}" is no queue address such as tcp://*:5555 or ipc:///tmp/piw-control`,
      );
    }
    return value;
  },
};

/** Whether other machines can reach a queue's address. */
export function isRemote(address: string): boolean {
  const host = /^tcp:\/\/\[?(.*?)\]?:(?:\d+|\*)$/.exec(address)?.[1]?.toLowerCase();
  if (host === undefined) return false;
  return !(host === "localhost" || host === "::1" || /^(::ffff:)?127(\.\d{1,3}){3}$/.test(host));
}

/** As `queueFormat`, and `inproc://NAME` for a task of the same process. */
export const partQueueFormat: ValueFormat<string> = {
  name: "piw-part-queue",
  parse(text) {
    const value = text.trim();
    if (/^inproc:\/\/[\w.-]+$/.test(value)) {
      return value;
    }
    try {
      return queueFormat.parse(text);
    } catch {
      throw new Error(
        `"${text}" is no queue address such as inproc://db, ipc:///tmp/piw-db or tcp://10.0.0.5:5570`,
      );
    }
  },
};

/** `HOST:PORT`, `:PORT` or `PORT`; without a host (or with `*`) every IPv4 interface. */
export const listenFormat: ValueFormat<string> = {
  name: "piw-listen",
  parse(text) {
    const value = text.trim();
    listenAddress(value);
    return value;
  },
};

/** What a `listenFormat` value means. @throws Error saying what was expected */
export function listenAddress(text: string): ListenAddress {
  const match = /^(?:(?:\[([0-9A-Fa-f:.]+)\]|(\*|[^\s:/[\]]*)):)?(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) {
    throw new Error(`"${text}" is no address such as 127.0.0.1:8080, [::1]:8080 or :8080`);
  }
  const host = match[1] ?? match[2] ?? "";
  return { host: host === "" || host === "*" ? "0.0.0.0" : host, port };
}

/** One of a few words. */
export function choiceFormat<const W extends string>(...words: readonly W[]): ValueFormat<W> {
  return {
    name: `piw-choice-${words.join("-")}`,
    parse(text) {
      const found = words.find((word) => word === text.trim().toLowerCase());
      if (found === undefined) {
        throw new Error(`"${text}" is not one of ${words.join(", ")}`);
      }
      return found;
    },
  };
}

/** Why something is done, for people: one line of at most 200 characters. */
export const reasonFormat: ValueFormat<string> = {
  name: "piw-reason",
  parse(text) {
    const value = textFormat.parse(text);
    if (value.length > 200) {
      throw new Error("it is longer than 200 characters");
    }
    if (/\p{C}/u.test(value)) {
      throw new Error("it has characters that cannot be shown");
    }
    return value;
  },
};

/** One line of at most 1,000 characters; an empty one means something. */
export const descriptionFormat: ValueFormat<string> = {
  name: "piw-description",
  parse(text) {
    const value = text.replace(/\s+/g, " ").trim();
    if (value.length > 1_000) {
      throw new Error("it is longer than 1000 characters");
    }
    return value;
  },
};

/** A day, or a moment with its zone; in ms since 1970. */
export const dateFormat: ValueFormat<number> = {
  name: "piw-date",
  parse(text) {
    const value = text.trim();
    const fits =
      /^\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:\d{2}))?$/i;
    const at = fits.test(value) ? Date.parse(value.replace(" ", "T")) : Number.NaN;
    const isDay = !Number.isNaN(at) && sameDay(value);
    if (!isDay || at < 0) {
      throw new Error(`"${text}" is no date such as 2024-01-31 or 2024-01-31T12:00:00Z`);
    }
    return at;
  },
};

/** Date.parse takes 31 February for 2 March. */
function sameDay(text: string): boolean {
  const day = text.slice(0, 10);
  const parsed = Date.parse(day);
  return !Number.isNaN(parsed) && new Date(parsed).toISOString().slice(0, 10) === day;
}

/** A whole number from -1000 to 1000. */
export const priorityFormat: ValueFormat<number> = {
  name: "piw-priority",
  parse: (text) => wholeNumber(text, -1_000, 1_000),
};

/** A whole number from 0 to 1,000,000. */
export const rankFormat: ValueFormat<number> = {
  name: "piw-rank",
  parse: (text) => wholeNumber(text, 0, 1_000_000),
};

/** The number of a slave, as the master gives it. */
export const slaveIdFormat: ValueFormat<number> = {
  name: "piw-slave-id",
  parse: (text) => wholeNumber(text, 1, 999_999_999),
};

function wholeNumber(text: string, least: number, most: number): number {
  const value = /^[+-]?\d{1,9}$/.test(text.trim()) ? Number(text) : Number.NaN;
  if (!(value >= least && value <= most)) {
    throw new Error(`"${text}" is no whole number from ${least} to ${most}`);
  }
  return value;
}
