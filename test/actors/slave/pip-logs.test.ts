/**
 * What the slave makes of the logs of real pips of many versions, each for the same troubles
 * (test/support/record-pip-logs.ts made them). A row holds for every version that was recorded.
 */
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { findCause } from "../../../actors/slave/cause.ts";
import type { Exit } from "../../../actors/slave/launch.ts";
import type { Cause } from "../../../protocol/model/cause.ts";

const FOLDER = new URL("pip-logs/", import.meta.url);

/** What pip says alike of an index that lacks it and of one that did not answer: the index is asked then. */
const MISSING = "no release found that satisfies";
const toBeAsked: readonly [Cause | "or unreachable", RegExp] = ["or unreachable", /helper-pkg/];

const expected: Readonly<Record<string, readonly [Cause | "or unreachable", RegExp]>> = {
  "no such project": ["dependency-missing", /^no release found that satisfies no-such-thing>=2$/],
  "no such release": ["dependency-missing", /^no release found that satisfies helper-pkg>=7$/],
  "nothing for this Python": ["dependency-missing", /^no release found that satisfies later-pkg$/],
  "a requirement of a requirement is missing": [
    "dependency-missing",
    /^no release found that satisfies no-such-thing>=2$/,
  ],
  "the back-end asks for what is missing": [
    "dependency-missing",
    /^no release found that satisfies no-such-thing>=2$/,
  ],
  "requirements that exclude each other": [
    "build-failed",
    /^ERROR: Cannot install helper-pkg==1\.0 and strict-pkg==1\.0 because/,
  ],
  "the index refuses connections": ["index-unreachable", /helper-pkg.*Connection refused/],
  "the index has no address": ["index-unreachable", /Name or service not known/],
  "the page answers 500": toBeAsked,
  "the page answers 502": toBeAsked,
  "the page answers 503": toBeAsked,
  "the page answers 504": toBeAsked,
  "the page answers 429": toBeAsked,
  "the page answers 403": toBeAsked,
  "the page stalls": toBeAsked,
  "the page hangs up": ["index-unreachable", /helper-pkg/],
  "the file answers 503": ["index-unreachable", /503/],
  "the file answers 404": ["index-unreachable", /404/],
  "the file is cut off": ["index-unreachable", /HASHES|not enough bytes/],
  "the file stalls": ["index-unreachable", /timed out|not enough bytes/],
  "the file hangs up": ["index-unreachable", /Max retries exceeded|Failed to connect/],
  "the file is another one": ["index-unreachable", /HASHES/],
  "the certificate is nobody's": ["index-unreachable", /helper-pkg|certificate/],
  "the proxy is away": ["index-unreachable", /Connection refused/],
  "the proxy hangs up": ["index-unreachable", /index/],
  "the proxy refuses": ["index-unreachable", /index/],
  "a compiler's error": ["build-failed", /^a\.c:1:\d+: error: .*missing_name/],
  "a header is missing": ["build-failed", /^a\.c:1:10: fatal error: no_such_header\.h/],
  "an exception of the project's": ["build-failed", /^RuntimeError: needs the Frobnicator$/],
  "a message and exit": ["build-failed", /^error: libfrob not found$/],
  "the back-end's own download fails": ["build-failed", /^urllib\.error\.URLError: /],
  "the back-end is not there": ["build-failed", /No module named 'not_there_at_all'$/],
  "memory runs out": ["out-of-memory", /^MemoryError/],
  "the compiler is killed": ["out-of-memory", /SIGKILL/],
  "the disk is full": ["out-of-disk", /No space left on device/],
  // Whether a limit of the slave is behind these, only the sandbox knows.
  "too many open files": ["build-failed", /Too many open files/],
  "a file over the limit": ["build-failed", /File too large/],
  "no more processes": ["build-failed", /Resource temporarily unavailable/],
  // What is wrong with these is found in the wheel.
  "a wheel of another project": ["built", /^$/],
  "another Python is required": ["built", /^$/],
  built: ["built", /^$/],
};

interface Recorded {
  readonly situation: string;
  readonly exit: Exit;
  readonly log: string;
}

function readRecorded(name: string): Recorded[] {
  const text = readFileSync(new URL(name, FOLDER), "utf8");
  return text
    .split(/^=== /m)
    .slice(1)
    .map((part) => {
      const [situation = "", exit = "", ...log] = part.split("\n");
      const code = Number(exit.replace("exit ", ""));
      return {
        situation,
        exit: { code, signal: null, endedBy: "itself" as const },
        log: log.join("\n"),
      };
    });
}

const files = readdirSync(FOLDER).filter((name) => name.endsWith(".txt"));

test("the recorded pips are old and new ones", () => {
  const majors = new Set(files.map((name) => /^pip-(\d+)\./.exec(name)?.[1]));
  expect([...majors].sort()).toEqual(["18", "22", "23", "24", "26"]);
});

describe.each(files)("%s", (name) => {
  test.each(readRecorded(name).map((each) => [each.situation, each] as const))(
    "%s",
    (situation, { exit, log }) => {
      const [cause, message] = expected[situation] ?? [];
      const finding = findCause(exit, log, 1_000);
      if (cause !== "or unreachable") expect(finding.cause).toBe(cause);
      else expect(["dependency-missing", "index-unreachable"]).toContain(finding.cause);
      expect(finding.message).toMatch(message ?? /never/);
      // A build that is blocked says on what, and no other build does.
      expect(finding.missing.length).toBe(finding.cause === "dependency-missing" ? 1 : 0);
      if (finding.missing.length > 0)
        expect(finding.message).toBe(`${MISSING} ${finding.missing.join()}`);
    },
  );
});
