/** piw verify: a wheel against its provenance and a farm's key. */
import { basename, resolve } from "node:path";
import { ConfigurationError } from "../../config/configuration-error.ts";
import { harmless } from "../../config/log-line.ts";
import type { Values } from "../../config/option.ts";
import { verifyProgram } from "../../config/verify.ts";
import { parseWheelFilename } from "../../protocol/packaging/wheel-filename.ts";
import { ALL_KEYS_KEY } from "../../web/provenance/published-keys.ts";
import { SigningKeyError } from "../../web/provenance/signing-key.ts";
import { readTrustedKeys, type TrustedKeys } from "../../web/provenance/trusted-keys.ts";
import { VerificationError, verifyProvenance } from "../../web/provenance/verify.ts";
import { type Frame, runProgram } from "../program.ts";
import { statementLines } from "../verify/statement-lines.ts";
import { hashFile, readSmallFile, SourceError, WebSource } from "../verify/wheel-source.ts";

export function verify(argv: readonly string[]): Promise<void> {
  return runProgram({ program: verifyProgram, logLevel: "warn", run }, argv);
}

async function run(
  values: Values<typeof verifyProgram.options>,
  [operand = ""]: readonly string[],
  frame: Frame,
): Promise<number> {
  const web = new WebSource(frame.signal);
  try {
    const wheel = readOperand(operand, values["index-url"]);
    const keys = await findKeys(values.key, wheel.siteUrl, web);
    const provenance = await wheel.provenance(web);
    const sha256 = await wheel.sha256(web, frame.signal);
    const { filename } = wheel;
    const verified = check(provenance, { filename, sha256 }, keys);
    const keysFrom = values.key ?? wheel.siteUrl;
    if (values.json) frame.print(JSON.stringify({ filename, sha256, keysFrom, ...verified }));
    else {
      frame.print(`${filename}: verified`);
      // Whoever signs says what stands there; none of it may steer a terminal.
      for (const line of statementLines(verified)) frame.print(harmless(line));
    }
    if (values.key === undefined)
      process.stderr.write(
        `piw verify: the key is the one that ${harmless(wheel.siteUrl ?? "the site")} gives out, whoever that is: to trust a farm and not a web server, give its key with --key\n`,
      );
    return 0;
  } finally {
    await web.close();
  }
}

interface Wheel {
  readonly filename: string;
  /** Of the farm's site, with a slash at the end; undefined where only files were given. */
  readonly siteUrl: string | undefined;
  sha256(web: WebSource, signal: AbortSignal): Promise<string>;
  provenance(web: WebSource): Promise<Buffer>;
}

/** @throws ConfigurationError */
function readOperand(operand: string, indexUrl: string | undefined): Wheel {
  const isUrl = /^https?:\/\//i.test(operand);
  const url = isUrl && URL.canParse(operand) ? new URL(operand) : undefined;
  const filename = decode(basename(url?.pathname ?? operand));
  const parsed = parseWheelFilename(filename);
  if (parsed === undefined || (isUrl && url === undefined))
    throw new ConfigurationError(
      `"${harmless(operand.slice(0, 200))}" is neither a wheel's file (NAME-VERSION-….whl) nor the address of one`,
    );
  const inIndex = indexUrl && `${indexUrl}/${parsed.name}/${encodeURIComponent(filename)}`;
  if (url !== undefined) {
    url.hash = "";
    const address = url.href;
    return {
      filename,
      siteUrl: new URL("../../", inIndex ?? address).href,
      sha256: (web) => web.hash(address),
      provenance: (web) => web.provenance(`${inIndex ?? address}.provenance`),
    };
  }
  const path = resolve(operand);
  return {
    filename,
    siteUrl: indexUrl && new URL("../", `${indexUrl}/`).href,
    sha256: (_web, signal) => hashFile(path, signal),
    provenance: async (web) => {
      if (inIndex) return web.provenance(`${inIndex}.provenance`);
      const found = await readSmallFile(`${path}.provenance`);
      if (found !== undefined) return found;
      throw new SourceError(
        `there is no ${harmless(path)}.provenance: fetch it, or say with --index-url which farm has it`,
      );
    },
  };
}

/** @throws ConfigurationError where none are given and no site is known; SigningKeyError, SourceError */
async function findKeys(
  file: string | undefined,
  siteUrl: string | undefined,
  web: WebSource,
): Promise<TrustedKeys> {
  if (file !== undefined) {
    const text = await readSmallFile(file);
    if (text === undefined) throw new ConfigurationError(`--key: there is no file ${file}`);
    try {
      return readTrustedKeys(text.toString("utf8"), file);
    } catch (error) {
      if (!(error instanceof SigningKeyError)) throw error;
      throw new ConfigurationError(`--key: ${error.message}`);
    }
  }
  if (siteUrl === undefined)
    throw new ConfigurationError(
      "say with --key whose signature counts, or with --index-url which farm's",
    );
  const url = new URL(ALL_KEYS_KEY, siteUrl).href;
  return readTrustedKeys((await web.keys(url)).toString("utf8"), url);
}

/** @throws Error whose line names the wheel */
function check(...args: Parameters<typeof verifyProvenance>) {
  try {
    return verifyProvenance(...args);
  } catch (error) {
    if (!(error instanceof VerificationError)) throw error;
    throw new Error(`${args[1].filename} is not verified: ${harmless(error.message)}`, {
      cause: error,
    });
  }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
