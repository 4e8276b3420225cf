/**
 * The runtime and the fixtures of threads as JavaScript, laid out as a build is: a thread from the sources
 * takes a third of a second to start, one from here a tenth of it. Made once for each test file.
 */
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import ts from "typescript";

const root = fileURLToPath(new URL("../../", import.meta.url));

export interface ThreadModules {
  /** The runtime's program in a thread: `ThreadOptions.program`. */
  readonly program: URL;
  /** A compiled module, by its path from the repository's root, with `.ts`. */
  module(path: string): URL;
  dispose(): void;
}

/** Compiles the supervisor and the named fixtures. Types are not looked at. */
export function compileThreads(...fixtures: readonly string[]): ThreadModules {
  const out = mkdtempSync(join(tmpdir(), "threads-"));
  const sources = readdirSync(join(root, "supervisor"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => `supervisor/${name}`);
  for (const source of [...sources, ...fixtures]) {
    const { outputText } = ts.transpileModule(readFileSync(join(root, source), "utf8"), {
      fileName: source,
      compilerOptions: {
        target: ts.ScriptTarget.ES2023,
        module: ts.ModuleKind.ESNext,
        rewriteRelativeImportExtensions: true,
        verbatimModuleSyntax: true,
      },
    });
    const file = join(out, source.replace(/\.ts$/, ".js"));
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, outputText);
  }
  writeFileSync(join(out, "package.json"), '{"type":"module"}\n');
  symlinkSync(join(root, "node_modules"), join(out, "node_modules"));
  const url = (path: string) => pathToFileURL(join(out, path.replace(/\.ts$/, ".js")));
  return {
    program: url("supervisor/threads/thread-main.ts"),
    module: url,
    dispose: () => rmSync(out, { recursive: true, force: true }),
  };
}
