/**
 * Installs the dependencies when they are not those of package-lock.json: `npm install --no-save`, which
 * keeps to the lock file and leaves it as it is. `npm ci` would be stricter, but refuses a lock file that
 * lacks the optional packages of a platform that the registry did not have when it was made.
 *
 * A stamp inside node_modules holds the lock file's hash; it is written last, so that an installation
 * that was cut off is done again. An installation that somebody made with npm itself counts too.
 */
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { ChoreError, root, runQuietly } from "./chore.js";

const stampFile = `${root}/node_modules/.wheelwright-installed`;

export async function install() {
  const stamp = wantedStamp();
  if (isStamped(stamp) || isInstalledByHand()) {
    return;
  }
  process.stderr.write("Installing dependencies...\n");
  const startedAt = Date.now();
  // Run by npm, its own script is the right one; the one in PATH may be another version or missing.
  const npm = process.env.npm_execpath;
  const [command, ...before] = npm?.endsWith(".js") ? [process.execPath, npm] : ["npm"];
  const args = [...before, "install", "--no-save", "--include=dev", "--no-audit", "--no-fund"];
  const { code, output } = await runQuietly(command, args);
  if (code === -1) {
    throw new ChoreError(
      "npm is missing: it comes with Node, or install it with your system's packages",
    );
  }
  if (code !== 0) {
    throw new ChoreError(`the dependencies cannot be installed: ${reason(output)}`);
  }
  writeFileSync(stampFile, stamp);
  process.stderr.write(`Installed in ${seconds(startedAt)} s.\n`);
}

function seconds(startedAt) {
  return ((Date.now() - startedAt) / 1000).toFixed(0);
}

/** Native parts are installed for one platform and one version of Node's interface. */
function wantedStamp() {
  const hash = createHash("sha256")
    .update(readFileSync(`${root}/package-lock.json`))
    .digest("hex");
  return `${hash} ${process.platform} ${process.arch} ${process.versions.modules}\n`;
}

function isStamped(stamp) {
  return existsSync(stampFile) && readFileSync(stampFile, "utf8") === stamp;
}

/** Whether npm's own record of what it installed agrees with the lock file. */
function isInstalledByHand() {
  const record = `${root}/node_modules/.package-lock.json`;
  if (existsSync(stampFile) || !existsSync(record)) {
    return false;
  }
  const wanted = packagesOf(`${root}/package-lock.json`);
  const present = packagesOf(record);
  return Object.entries(wanted).every(([path, { version, optional, devOptional, link }]) => {
    const found = present[path];
    return found === undefined
      ? path === "" || optional === true || devOptional === true || link === true
      : found.version === version;
  });
}

function packagesOf(file) {
  try {
    return JSON.parse(readFileSync(file, "utf8")).packages ?? {};
  } catch {
    return {};
  }
}

/** The line of npm's output that says why. */
function reason(output) {
  const lines = output
    .split("\n")
    .filter((line) => /^npm (error|ERR!)/.test(line))
    .map((line) => line.replace(/^npm (error|ERR!)\s*/, "").trim())
    .filter((line) => line !== "" && !/^(code|errno|syscall|path|A complete log)\b/.test(line));
  const network = /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ENETUNREACH/.exec(output)?.[0];
  const hint =
    network === undefined ? "" : ` (${network}: is the npm registry reachable from here?)`;
  return `${lines[0] ?? output.trim().split("\n").at(-1) ?? "npm failed"}${hint}`;
}
