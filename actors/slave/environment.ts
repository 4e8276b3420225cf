/**
 * The environment of what a slave runs: made from nothing, so that neither the slave's own settings nor
 * what happens to be set on a machine decides how a wheel comes out. Called by the runner and the probe.
 */
import { availableParallelism } from "node:os";
import { dirname } from "node:path";

/** Every process of a build carries this variable; by it they are found and ended. */
export const BUILD_ID_VARIABLE = "WHEELWRIGHT_BUILD";

/** 1980-01-01 00:00 UTC, the first instant that a zip can hold (https://reproducible-builds.org/specs/source-date-epoch/). */
const SOURCE_DATE_EPOCH = "315532800";

/**
 * How this machine reaches the network. They do not change what comes out, and without them a machine
 * behind a proxy or with a certificate authority of its own could not build at all.
 */
const networkVariables = [
  "http_proxy",
  "https_proxy",
  "no_proxy",
  "all_proxy",
  "HTTP_PROXY",
  "HTTPS_PROXY",
  "NO_PROXY",
  "ALL_PROXY",
  "SSL_CERT_FILE",
  "SSL_CERT_DIR",
  "REQUESTS_CA_BUNDLE",
  "CURL_CA_BUNDLE",
];

type Variables = Record<string, string>;

const DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin";

/** For questions to an interpreter: no pip or Python settings of the machine, but its home (shims need it). */
export function pythonEnvironment(outer: NodeJS.ProcessEnv): Variables {
  const { PATH = DEFAULT_PATH, HOME } = outer;
  return {
    PATH,
    ...(HOME === undefined ? {} : { HOME }),
    PIP_CONFIG_FILE: "/dev/null",
    PYTHONNOUSERSITE: "1",
    LC_ALL: "C.UTF-8",
  };
}

export interface BuildEnvironment {
  /** The interpreter that builds; its folder comes first on PATH, so that `python3` is the same one. */
  readonly executable: string;
  readonly home: string;
  readonly temporary: string;
  readonly buildId: string;
  /** Builds that may run at the same time: each gets its share of the processors. Default 1. */
  readonly jobs?: number;
}

/** For a build: everything that it may see, and nothing else. */
export function buildEnvironment(outer: NodeJS.ProcessEnv, build: BuildEnvironment): Variables {
  const { PATH = DEFAULT_PATH } = outer;
  const network: Variables = {};
  for (const name of networkVariables) {
    const value = outer[name];
    if (value !== undefined && value !== "") network[name] = value;
  }
  return {
    ...network,
    PATH: `${dirname(build.executable)}:${PATH}`,
    HOME: build.home,
    TMPDIR: build.temporary,
    [BUILD_ID_VARIABLE]: build.buildId,
    // The pip that pip starts for build dependencies reads only these, not our command line.
    PIP_CONFIG_FILE: "/dev/null",
    PIP_DISABLE_PIP_VERSION_CHECK: "1",
    PIP_NO_INPUT: "1",
    PYTHONNOUSERSITE: "1",
    PYTHONUNBUFFERED: "1",
    SOURCE_DATE_EPOCH,
    MAKEFLAGS: `-j${Math.max(1, Math.floor(availableParallelism() / (build.jobs ?? 1)))}`,
    LC_ALL: "C.UTF-8",
    LANG: "C.UTF-8",
    TZ: "UTC",
    NO_COLOR: "1",
    TERM: "dumb",
  };
}
