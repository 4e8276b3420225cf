/**
 * Key files. A key pair's file holds two lines, `public-key = …` and `secret-key = …`, and belongs to its
 * owner alone; a public key's file holds the key. Called by the programs at start and by `piw keygen`;
 * which keys are trusted is decided in `authorized-keys.ts`.
 */
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { EndpointConfigError } from "./endpoint-config-error.ts";
import { generateKeyPair, isKeyPair, type KeyPair } from "./key-pair.ts";
import { decodeZ85Key } from "./z85.ts";

/** Far above any key file; keeps a wrong path (a log, a device) from being read whole. */
const LARGEST_FILE_BYTES = 64 * 1024;

/** @throws EndpointConfigError where the file is missing, damaged, or open to others than its owner. */
export function readKeyFile(path: string): KeyPair {
  const { text, mode } = readSmallFile(path);
  const publicKey = findSetting(text, "public-key");
  const secretKey = findSetting(text, "secret-key");
  if (secretKey === undefined) {
    throw new EndpointConfigError(`${path} holds no secret key: make one with piw keygen`);
  }
  if ((mode & 0o077) !== 0) {
    throw new EndpointConfigError(
      `${path} may be read by others than its owner: chmod 600 it, or make a new key with piw keygen`,
    );
  }
  const pair = { publicKey: publicKey ?? "", secretKey };
  if (!isKeyPair(pair)) {
    throw new EndpointConfigError(`${path} is damaged: its two keys do not belong together`);
  }
  return pair;
}

/**
 * Writes a key pair (by default a new one) with mode 0600 and returns it.
 * @throws EndpointConfigError where the file exists already or cannot be written.
 */
export function writeKeyFile(path: string, pair: KeyPair = generateKeyPair()): KeyPair {
  const text = [
    "# Wheelwright key pair. Keep this file secret; hand out the public key only.",
    `public-key = ${pair.publicKey}`,
    `secret-key = ${pair.secretKey}`,
    "",
  ].join("\n");
  writeNewFile(path, text, 0o600);
  return pair;
}

/**
 * Reads a public key: a file with the key on a line of its own and `#` comments, or a key pair's file.
 * @throws EndpointConfigError where there is no such file or no key in it.
 */
export function readPublicKeyFile(path: string): string {
  const key = findPublicKey(readSmallFile(path).text);
  if (key === undefined) throw new EndpointConfigError(`${path} holds no public key`);
  return key;
}

/** `comment` becomes its first line. @throws EndpointConfigError where the file exists already. */
export function writePublicKeyFile(path: string, publicKey: string, comment?: string): void {
  if (decodeZ85Key(publicKey) === undefined) {
    throw new EndpointConfigError(`not a public key: ${JSON.stringify(publicKey.slice(0, 60))}`);
  }
  const head = comment === undefined ? "" : `# ${comment.replaceAll(/\s+/g, " ")}\n`;
  writeNewFile(path, `${head}${publicKey}\n`, 0o644);
}

/** The one key of a public key file's text; undefined where there is none, or more than one. */
export function findPublicKey(text: string): string | undefined {
  const setting = findSetting(text, "public-key");
  if (setting !== undefined) return decodeZ85Key(setting) === undefined ? undefined : setting;
  // No key begins with `#`, though `#` is a character of Z85: its first group would exceed 32 bits.
  const keys = text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => decodeZ85Key(line) !== undefined);
  return keys.length === 1 ? keys[0] : undefined;
}

/** Of a line `NAME = VALUE`. */
export const findSetting = (text: string, name: string) =>
  new RegExp(`^\\s*${name}\\s*=\\s*(\\S+)\\s*$`, "m").exec(text)?.[1];

function readSmallFile(path: string): { text: string; mode: number } {
  try {
    const stat = statSync(path);
    if (!stat.isFile() || stat.size > LARGEST_FILE_BYTES) {
      throw new EndpointConfigError(`${path} is not a key file`);
    }
    return { text: readFileSync(path, "utf8"), mode: stat.mode };
  } catch (error) {
    if (error instanceof EndpointConfigError) throw error;
    throw new EndpointConfigError(`cannot read the key file ${path}: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

function writeNewFile(path: string, text: string, mode: number): void {
  try {
    writeFileSync(path, text, { flag: "wx", mode, flush: true });
  } catch (error) {
    const exists = error instanceof Error && "code" in error && error.code === "EEXIST";
    throw new EndpointConfigError(
      exists
        ? `${path} exists already and is not overwritten`
        : `cannot write ${path}: ${messageOf(error)}`,
      { cause: error },
    );
  }
}

const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error));
