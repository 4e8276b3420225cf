import { defineConfig } from "vitest/config";

/** Suites by what they need. `npm run check` runs unit and conformance; `npm test` runs all. */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          include: ["test/{supervisor,protocol,db,web,actors,config,bin}/**/*.test.ts"],
          // Each takes milliseconds; the limit is for a machine that is busy with something else.
          testTimeout: 10_000,
        },
      },
      {
        test: {
          name: "conformance",
          include: ["test/conformance/**/*.test.ts"],
          testTimeout: 10_000,
        },
      },
      {
        test: {
          name: "system",
          include: ["test/system/**/*.test.ts"],
          testTimeout: 60_000,
        },
      },
      { test: { name: "faults", include: ["test/faults/**/*.test.ts"], testTimeout: 120_000 } },
      { test: { name: "browser", include: ["test/browser/**/*.test.ts"], testTimeout: 60_000 } },
    ],
    coverage: {
      provider: "v8",
      include: ["supervisor/**", "protocol/**", "db/**", "actors/**", "web/**", "config/**"],
    },
  },
});
