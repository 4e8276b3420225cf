/**
 * Names within a zip, as they may be unpacked below a folder. Called by the zip reader. It takes what
 * stays below that folder on every system and means the same to every reader; it changes nothing.
 */
import type { Entry } from "yauzl";
import { WheelError } from "./wheel-error.ts";

/** Longer than what most systems can unpack. */
const MAX_NAME_BYTES = 2_000;
const MAX_DEPTH = 100;
const FLAG_UTF8 = 0x800;
/** A second name that some readers take for the true one. */
const UNICODE_PATH_FIELD = 0x7075;

/** @throws WheelError `bad-entry-name` */
export function decodeEntryName(entry: Entry): string {
  const bytes = entry.fileNameRaw;
  if (bytes.length > MAX_NAME_BYTES) throw bad(bytes, `is longer than ${MAX_NAME_BYTES} bytes`);
  if (entry.extraFields.some((field) => field.id === UNICODE_PATH_FIELD)) {
    throw bad(bytes, "carries a second name");
  }
  if ((entry.generalPurposeBitFlag & FLAG_UTF8) === 0 && bytes.some((byte) => byte > 0x7f)) {
    throw bad(bytes, "is not ASCII and not marked as UTF-8");
  }
  let name: string;
  try {
    name = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw bad(bytes, "is no UTF-8");
  }
  if (name.includes("\0")) throw bad(bytes, "has a NUL in it");
  if (name.includes("\\")) throw bad(bytes, "has a backslash in it");
  if (name.startsWith("/") || /^[A-Za-z]:/.test(name)) throw bad(bytes, "is an absolute path");
  const parts = (name.endsWith("/") ? name.slice(0, -1) : name).split("/");
  if (parts.length > MAX_DEPTH) throw bad(bytes, "is too deep");
  if (parts.includes("..")) throw bad(bytes, "leads out of its folder");
  if (parts.some((part) => part === "" || part === ".")) throw bad(bytes, "has an empty part");
  return name;
}

/**
 * No name twice, and none both a file and a folder.
 * @throws WheelError `duplicate-entry`
 */
export function checkEntryNames(names: readonly string[]): void {
  const seen = new Set<string>();
  for (const name of names) {
    const bare = name.endsWith("/") ? name.slice(0, -1) : name;
    if (seen.has(bare)) throw duplicate(bare, "is there twice");
    seen.add(bare);
  }
  const files = new Set(names.filter((name) => !name.endsWith("/")));
  for (const name of names) {
    for (let slash = name.indexOf("/"); slash !== -1; slash = name.indexOf("/", slash + 1)) {
      const folder = name.slice(0, slash);
      if (files.has(folder)) throw duplicate(folder, "is both a file and a folder");
    }
  }
}

const bad = (bytes: Buffer, why: string) =>
  new WheelError(
    "bad-entry-name",
    `entry name ${JSON.stringify(bytes.subarray(0, 200).toString("utf8"))} ${why}`,
  );

const duplicate = (name: string, what: string) =>
  new WheelError("duplicate-entry", `entry ${JSON.stringify(name.slice(0, 200))} ${what}`);
