/** A project with everything on its page: each state and cause, marks, extras, builders of several kinds. */
import { causes, verdictOf } from "../../protocol/model/cause.ts";
import {
  type ProjectFile,
  type ProjectPage,
  type ProjectRelease,
  type ReleaseBuild,
  releaseBuildStates,
} from "../../protocol/model/project-page.ts";

export const hostile = `"><img src=x onerror=alert(1)>'</title></pre><script>alert(1)</script>`;
export const at = Date.parse("2024-03-09T14:05:07Z");
const DAY_MS = 86_400_000;

export const platforms = ["linux_armv7l", "linux_x86_64", "musllinux_1_2_aarch64"];
const interpreters = ["cp39", "cp311", "cp313"];
export const targetNames = interpreters.flatMap((interpreter) =>
  platforms.map((platform) => `${interpreter}-${platform}`),
);
const targets = targetNames.map((name) => {
  const [interpreter = "", platformTag = ""] = name.split("-");
  return {
    name,
    pythonVersion: interpreter.replace("cp3", "3."),
    abiTag: interpreter,
    platformTag,
    skipReason: null,
  };
});

export const build = (target: string, more: Partial<ReleaseBuild> = {}): ReleaseBuild => ({
  target,
  state: "built",
  cause: "built",
  message: "",
  needs: [],
  attempts: 1,
  endedAt: at,
  durationMs: 94_230,
  notBefore: null,
  logToken: null,
  resolved: null,
  ...more,
});

export const file = (version: string, more: Partial<ProjectFile> = {}): ProjectFile => ({
  filename: `tidepool-${version}-cp311-cp311-linux_x86_64.whl`,
  sha256: "ab".repeat(32),
  sizeBytes: 1_234_567,
  builderAbi: "cp311",
  requiresPython: ">=3.9",
  uploadedAt: at,
  systemPackages: ["libffi8", "zlib1g"],
  requiresDist: ["numpy>=1.26"],
  suspicious: null,
  isSigned: false,
  ...more,
});

export const release = (version: string, more: Partial<ProjectRelease> = {}): ProjectRelease => ({
  version,
  releasedAt: at,
  isPrerelease: false,
  yanked: null,
  skipReason: null,
  isWanted: true,
  requiresPython: ">=3.9",
  builds: targetNames.map((target, index) => build(target, { logToken: 1_000 + index })),
  files: [file(version)],
  ...more,
});

const [first = "", second = "", third = ""] = targetNames;

/** A build in this state, with what goes with it. */
export function buildIn(state: ReleaseBuild["state"], target = first): ReleaseBuild {
  const never = { cause: null, attempts: 0, endedAt: null, durationMs: null };
  switch (state) {
    case "failed":
      return build(target, { state, cause: "build-failed", message: "gcc said no", logToken: 7 });
    case "blocked":
      return build(target, {
        state,
        cause: "dependency-missing",
        needs: [
          { requirement: "seashell>=2", name: "seashell", isHere: true },
          { requirement: "nowhere", name: "nowhere", isHere: false },
        ],
      });
    case "waiting":
      return build(target, {
        state,
        cause: "index-unreachable",
        attempts: 3,
        notBefore: at + DAY_MS,
      });
    case "built":
    case "imported":
      return build(target, { state });
    case "covered":
    case "upstream":
    case "ready":
    case "leased":
    case "behind":
    case "excluded":
    case "skipped":
      return build(target, { state, ...never });
  }
}

/** Newest first: a pre-release, one in every state, one for every failure, skipped ones, a yanked one. */
export const releases: readonly ProjectRelease[] = [
  release("2.0rc1", {
    isPrerelease: true,
    builds: [buildIn("leased", first), buildIn("ready", second), buildIn("behind", third)],
    files: [],
  }),
  release("1.4.0", {
    builds: [
      build(first, {
        logToken: 123_456,
        resolved: [{ name: "wheel", version: "1", sha256: null }],
      }),
      build(second, { state: "failed", cause: "timeout", message: "no end", logToken: 1 }),
      buildIn("covered", third),
    ],
    files: [
      file("1.4.0"),
      file("1.4.0", {
        filename: "tidepool-1.4.0-cp39-cp39-linux_armv7l.whl",
        suspicious: "it holds no machine code",
        systemPackages: [],
      }),
    ],
  }),
  ...releaseBuildStates.map((state, index) =>
    release(`1.3.${20 - index}`, { builds: [buildIn(state)], files: [] }),
  ),
  ...causes
    .filter((cause) => verdictOf(cause) !== "success")
    .map((cause, index) =>
      release(`1.2.${20 - index}`, {
        builds: [build(first, { state: "failed", cause, message: `said of ${cause}` })],
        files: [],
      }),
    ),
  release("1.1", { yanked: "wrong tides" }),
  release("1.0", { skipReason: "binary only", builds: [], files: [], releasedAt: null }),
  release("0.9", { skipReason: "no hash", builds: [], files: [] }),
  release("0.8", { skipReason: "breaks our sensors", builds: [], files: [] }),
  release("0.7", { isWanted: false, builds: [], files: [] }),
];

export const project = (more: Partial<ProjectPage> = {}): ProjectPage => ({
  name: "tidepool",
  displayName: "TidePool",
  spellings: ["TidePool", "tide-gauge"],
  summary: "Reads tide gauges, and says when to leave the beach.",
  upstreamUrl: "https://upstream.example/project/tidepool/",
  upstreamBase: "https://upstream.example/project/",
  skipReason: null,
  targets,
  releaseCount: releases.length,
  fileCount: 3,
  sizeBytes: 3_703_701,
  isAttempted: true,
  chosen: {
    version: "1.4.0",
    requiresPython: ">=3.9",
    systemPackages: [
      { manager: "apt", os: "Debian GNU/Linux 12 (bookworm)", names: ["libffi8", "zlib1g"] },
      { manager: "apk", os: "Alpine Linux v3.20", names: ["libffi"] },
      { manager: "dnf", os: "Fedora Linux 40", names: ["libffi"] },
    ],
    dependencies: [
      { name: "numpy", text: "numpy>=1.26", marker: "", extra: null, isHere: true },
      {
        name: "tomli",
        text: "tomli",
        marker: 'python_version < "3.11"',
        extra: null,
        isHere: false,
      },
      { name: "matplotlib", text: "matplotlib>=3", marker: "", extra: "plot", isHere: true },
    ],
    unreadDependencies: 0,
    builtWith: [
      { name: "setuptools", version: "80.9.0", sha256: "cd".repeat(32) },
      { name: "wheel", version: "0.45.1", sha256: null },
    ],
  },
  places: [{ version: "2.0rc1", target: second, before: 41, hourly: 120 }],
  downloads: { last30Days: 1_234, ever: 56_789 },
  downloadDays: Array.from({ length: 60 }, (_, index) => ({
    at: Date.parse("2024-01-10T00:00:00Z") + index * DAY_MS,
    downloads: 10 + ((index * 37) % 50),
  })),
  asOf: at,
  ...more,
});
