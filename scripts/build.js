/**
 * Builds `dist/`: the compiler for the sources, then copies of everything else that the program reads
 * (SQL, style sheets, Python and sample sdists), then the executable bit for the commands.
 *
 * Nothing is done when a stamp says that dist was made from these very sources. Run by the chores,
 * and by `npm run build`.
 */
import { createHash } from "node:crypto";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";
import { pathToFileURL } from "node:url";
import { ChoreError, root, runQuietly } from "./chore.js";

/** The folders that make the program, as in tsconfig.build.json. */
const rooms = [
  "supervisor",
  "protocol",
  "db",
  "web",
  "actors",
  "config",
  "bin",
  "samples",
  "bench",
  "examples",
];
const dist = `${root}/dist`;
const stampFile = `${dist}/.built-from`;

export async function build() {
  const sources = rooms.flatMap((room) => filesBelow(room));
  const stamp = stampOf(sources);
  if (existsSync(stampFile) && readFileSync(stampFile, "utf8") === stamp) {
    return;
  }
  process.stderr.write("Building...\n");
  const startedAt = Date.now();
  rmSync(stampFile, { force: true });
  await compile();
  copyAssets(sources);
  removeStale(new Set(sources));
  for (const file of Object.values(manifest().bin ?? {})) {
    if (existsSync(`${root}/${file}`)) {
      chmodSync(`${root}/${file}`, 0o755);
    }
  }
  writeFileSync(stampFile, stamp);
  process.stderr.write(`Built in ${((Date.now() - startedAt) / 1000).toFixed(0)} s.\n`);
}

async function compile() {
  const tsc = `${root}/node_modules/typescript/bin/tsc`;
  if (!existsSync(tsc)) {
    throw new ChoreError("the compiler is not installed: run npm install");
  }
  // The compiler believes its own record of what it wrote, also after dist was emptied by hand.
  if (!existsSync(`${dist}/bin`)) {
    rmSync(dist, { recursive: true, force: true });
  }
  const { code, output } = await runQuietly(process.execPath, [tsc, "-p", "tsconfig.build.json"]);
  if (code !== 0) {
    throw new ChoreError(`the sources do not compile:\n${output.trim()}`);
  }
}

function copyAssets(sources) {
  for (const source of sources.filter((path) => !isCompiled(path))) {
    mkdirSync(dirname(`${dist}/${source}`), { recursive: true });
    copyFileSync(`${root}/${source}`, `${dist}/${source}`);
  }
}

/** A module or file that was removed or renamed must not live on in dist. */
function removeStale(sources) {
  for (const room of rooms) {
    for (const path of filesBelow(`dist/${room}`)) {
      const source = path.replace(/^dist\//, "");
      const module = source.replace(/(\.d\.ts|\.js)(\.map)?$/, "");
      const compiledFrom = [`${module}.ts`, `${module}.tsx`];
      if (![source, ...compiledFrom].some((path) => sources.has(path))) {
        rmSync(`${root}/${path}`);
      }
    }
  }
}

/** Sample sdists may hold any kind of file; elsewhere `.ts` and `.tsx` are for the compiler. */
function isCompiled(path) {
  return /\.tsx?$/.test(path) && !path.startsWith("samples/sdists/");
}

function manifest() {
  return JSON.parse(readFileSync(`${root}/package.json`, "utf8"));
}

function stampOf(sources) {
  const hash = createHash("sha256");
  const settings = ["package.json", "package-lock.json", "tsconfig.json", "tsconfig.build.json"];
  for (const path of [...settings, ...sources, "scripts/build.js"]) {
    const { size, mtimeMs } = statSync(`${root}/${path}`);
    hash.update(`${path}\0${size}\0${mtimeMs}\n`);
  }
  return hash.digest("hex");
}

/** Paths of all files, from the repository's root, sorted. */
function filesBelow(folder) {
  if (!existsSync(`${root}/${folder}`)) {
    return [];
  }
  return readdirSync(`${root}/${folder}`, { withFileTypes: true })
    .filter((entry) => entry.name !== "__pycache__")
    .flatMap((entry) => {
      const path = `${folder}/${entry.name}`;
      return entry.isDirectory() ? filesBelow(path) : entry.isFile() ? [path] : [];
    })
    .sort();
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  try {
    await build();
  } catch (error) {
    process.stderr.write(`${error instanceof ChoreError ? error.message : error?.stack}\n`);
    process.exitCode = 1;
  }
}
