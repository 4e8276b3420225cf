/**
 * A reporter for CI: names the tests that passed at their second try only (`retry` in vitest.config.ts), so that
 * no unsteady test hides behind it. Used by `.ci/run`.
 */
import type { Reporter, TestCase } from "vitest/node";

export default class SecondTries implements Reporter {
  readonly #names: string[] = [];

  onTestCaseResult(test: TestCase): void {
    const retries = test.diagnostic()?.retryCount ?? 0;
    if (retries === 0 || !test.ok()) return;
    this.#names.push(`${test.module.relativeModuleId} > ${test.fullName}`);
  }

  onTestRunEnd(): void {
    if (this.#names.length === 0) return;
    process.stdout.write(`Passed at the second try only, and to be looked into:\n`);
    for (const name of this.#names) process.stdout.write(`  ${name}\n`);
  }
}
