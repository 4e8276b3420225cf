/** Puts together the entries of a small valid wheel, with parts replaced where a test wants a broken one. */
import { createHash } from "node:crypto";
import type { ZipPiece } from "./zip-builder.ts";

export const WHEEL_NAME = "demo_pkg-1.0-py3-none-any.whl";
export const DIST_INFO = "demo_pkg-1.0.dist-info";

export interface WheelParts {
  readonly distInfo?: string;
  readonly metadata?: string;
  readonly wheel?: string;
  /** Appended to the RECORD made from the entries, or in its place. */
  readonly record?: { readonly add?: string; readonly whole?: string };
  /** Entries beside the dist-info folder; listed in RECORD. */
  readonly files?: readonly ZipPiece[];
  /** Entries that RECORD does not list. */
  readonly unlisted?: readonly ZipPiece[];
  /** Names within the dist-info folder that are left out. */
  readonly without?: readonly string[];
}

export const METADATA = `Metadata-Version: 2.1
Name: demo-pkg
Version: 1.0
Summary: A demonstration
Requires-Python: >=3.8
Requires-Dist: numpy>=1.20
Requires-Dist: rich; extra == "pretty"
Provides-Extra: pretty

The long description.
`;

export const WHEEL =
  "Wheel-Version: 1.0\nGenerator: by hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n";

export function wheelPieces(parts: WheelParts = {}): ZipPiece[] {
  const distInfo = parts.distInfo ?? DIST_INFO;
  const listed: ZipPiece[] = [
    ...(parts.files ?? [{ name: "demo_pkg/__init__.py", data: "answer = 42\n" }]),
    { name: `${distInfo}/METADATA`, data: parts.metadata ?? METADATA },
    { name: `${distInfo}/WHEEL`, data: parts.wheel ?? WHEEL },
  ].filter((piece) => !isLeftOut(piece, parts));
  const rows = listed
    .filter((piece) => !piece.name.toString().endsWith("/"))
    .map(({ name, data }) => recordRow(name.toString(), Buffer.from(data)));
  const record =
    parts.record?.whole ?? `${rows.join("")}${distInfo}/RECORD,,\n${parts.record?.add ?? ""}`;
  const last = [{ name: `${distInfo}/RECORD`, data: record }].filter(
    (piece) => !isLeftOut(piece, parts),
  );
  return [...listed, ...(parts.unlisted ?? []), ...last];
}

const isLeftOut = (piece: ZipPiece, parts: WheelParts) =>
  parts.without?.some((name) => piece.name.toString().endsWith(`.dist-info/${name}`)) === true;

export function recordRow(name: string, data: Buffer): string {
  const field = /[",\n]/.test(name) ? `"${name.replaceAll('"', '""')}"` : name;
  return `${field},sha256=${createHash("sha256").update(data).digest("base64url")},${data.length}\n`;
}
