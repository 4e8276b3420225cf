/** A valid wheel of any name, with a module that says which one it is. */
import { randomBytes } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { wheelPieces } from "../protocol/packaging/wheel-builder.ts";
import { buildZip } from "../protocol/packaging/zip-builder.ts";

export interface PlainWheel {
  /** With underscores, as in a file name. */
  readonly name: string;
  readonly version: string;
  /** Default `py3-none-any`. */
  readonly tag?: string;
  readonly buildTag?: string;
  /** What the module says; default the version. */
  readonly says?: string;
  /** Adds so much that cannot be compressed. */
  readonly ballastBytes?: number;
}

export function wheelName({ name, version, tag = "py3-none-any", buildTag }: PlainWheel): string {
  return `${[name, version, ...(buildTag === undefined ? [] : [buildTag]), tag].join("-")}.whl`;
}

export function wheelBytes(wheel: PlainWheel): Buffer {
  const { name, version, tag = "py3-none-any", buildTag, says = version } = wheel;
  const build = buildTag === undefined ? "" : `Build: ${buildTag}\n`;
  return buildZip(
    wheelPieces({
      distInfo: `${name}-${version}.dist-info`,
      metadata: `Metadata-Version: 2.1\nName: ${name.replaceAll("_", "-")}\nVersion: ${version}\n`,
      wheel: `Wheel-Version: 1.0\nGenerator: by hand\nRoot-Is-Purelib: true\nTag: ${tag}\n${build}`,
      files: [
        { name: `${name}/__init__.py`, data: `says = ${JSON.stringify(says)}\n` },
        ...(wheel.ballastBytes === undefined
          ? []
          : [{ name: `${name}/ballast`, data: randomBytes(wheel.ballastBytes), isStored: true }]),
      ],
    }),
  );
}

/** Writes it into a folder, which is made; gives its path. */
export function writeWheel(folder: string, wheel: PlainWheel): string {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, wheelName(wheel));
  writeFileSync(path, wheelBytes(wheel));
  return path;
}
