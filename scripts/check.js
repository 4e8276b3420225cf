/**
 * `npm run check`: format and lint, types, import rules, dead code and the fast tests, side by side.
 * One line a check; what a failed one said follows it. Exit code 0 only when all passed.
 */
import { availableParallelism } from "node:os";
import { root, runQuietly } from "./chore.js";

/** The longest first, so that none of them is left running alone at the end. */
const checks = [
  ["tests", ["vitest/vitest.mjs", "run", "--project", "unit", "--project", "conformance"]],
  ["lint with types", ["eslint/bin/eslint.js", "--max-warnings=0", "."]],
  ["types", ["typescript/bin/tsc", "--noEmit", "-p", "tsconfig.json"]],
  ["types of browser scripts", ["typescript/bin/tsc", "-p", "web/scripts/tsconfig.json"]],
  [
    "import rules",
    ["dependency-cruiser/bin/dependency-cruise.mjs", "--config", ".dependency-cruiser.cjs", "."],
  ],
  ["dead code", ["knip/bin/knip.js"]],
  ["format and lint", ["@biomejs/biome/bin/biome", "check", "--error-on-warnings", "."]],
];

/** @returns {Promise<number>} exit code */
export async function check() {
  const startedAt = Date.now();
  const waiting = [...checks];
  let failed = 0;
  const worker = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const [name, [script, ...args]] = next;
      const beganAt = Date.now();
      const { code, output } = await runQuietly(process.execPath, [
        `${root}/node_modules/${script}`,
        ...args,
      ]);
      failed += code === 0 ? 0 : 1;
      const line = `${code === 0 ? "ok    " : "FAILED"}  ${name} (${seconds(beganAt)} s)\n`;
      process.stdout.write(code === 0 ? line : `${line}${output.trimEnd()}\n`);
    }
  };
  await Promise.all(
    Array.from({ length: Math.max(2, Math.min(4, availableParallelism())) }, worker),
  );
  process.stdout.write(
    failed === 0
      ? `All ${checks.length} checks passed in ${seconds(startedAt)} s.\n`
      : `${failed} of ${checks.length} checks failed (${seconds(startedAt)} s).\n`,
  );
  return failed === 0 ? 0 : 1;
}

function seconds(sinceAt) {
  return ((Date.now() - sinceAt) / 1000).toFixed(1);
}
