/**
 * What a client says of itself in its User-Agent: pip and uv put JSON behind their name, other installers name
 * themselves and perhaps Python and the system. It is a stranger's text: whatever is not a plain short word counts
 * as not said.
 */
import { type AccessClient, MAX_CLIENT_WORD } from "../model/access.ts";

export interface UserAgent {
  /** A program that installs packages, and does not show pages to people. */
  readonly isInstaller: boolean;
  readonly client: AccessClient;
}

/** Their User-Agents begin with their name and a slash. pipenv is pip; poetry and hatch ask in their own names. */
const installers: ReadonlySet<string> = new Set([
  "pip",
  "uv",
  "poetry",
  "pdm",
  "unearth",
  "hatch",
  "micropip",
  "rye",
  "pex",
  "pixi",
  "conda",
  "setuptools",
  "distribute",
  "bandersnatch",
  "devpi-server",
]);

/** Names of a pair `NAME/VERSION` that say the interpreter, and of one that says the system. */
const implementations: ReadonlySet<string> = new Set([
  "CPython",
  "PyPy",
  "Jython",
  "IronPython",
  "GraalPy",
]);
const systems: ReadonlySet<string> = new Set(["Linux", "Windows", "Darwin", "FreeBSD"]);

export const unknownClient: AccessClient = {
  arch: null,
  distroName: null,
  distroVersion: null,
  osName: null,
  osVersion: null,
  implementationName: null,
  implementationVersion: null,
  pythonVersion: null,
  installerName: null,
  installerVersion: null,
  setuptoolsVersion: null,
};
const unknownAgent: UserAgent = { isInstaller: false, client: unknownClient };

/** Longer ones are cut off somewhere, and are none that an installer sends. */
const MAX_CHARS = 8_192;

/** @param text without the server's escapes */
export function parseUserAgent(text: string): UserAgent {
  const first = /^([A-Za-z][\w.-]{0,39})\/(\S{1,60})/.exec(text);
  const name = first?.[1]?.toLowerCase();
  if (first === null || name === undefined || !installers.has(name) || text.length > MAX_CHARS) {
    return unknownAgent;
  }
  const rest = text.slice(first[0].length).trimStart();
  const said = rest.startsWith("{") ? fromJson(rest) : fromPairs(rest);
  return {
    isInstaller: true,
    client: {
      ...unknownClient,
      ...said,
      installerName: said?.installerName ?? name,
      installerVersion: said?.installerVersion ?? word(first[2]),
    },
  };
}

/** `CPython/3.11.2 Linux/6.1.0`, as old pips, poetry and others say it. */
function fromPairs(text: string): Partial<AccessClient> {
  const said: { -readonly [K in keyof AccessClient]?: string | null } = {};
  for (const pair of text.split(" ", 10)) {
    const [name = "", version = ""] = pair.split("/", 2);
    if (implementations.has(name)) {
      said.implementationName = name;
      said.implementationVersion = word(version);
      if (name === "CPython") said.pythonVersion = word(version);
    } else if (systems.has(name)) {
      said.osName = name;
      said.osVersion = word(version);
    }
  }
  return said;
}

/** Undefined where it is cut off or no JSON: then only the name and version before it are known. */
function fromJson(text: string): AccessClient | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  return {
    arch: word(find(value, "cpu")),
    distroName: word(find(value, "distro", "name")),
    distroVersion: word(find(value, "distro", "version")),
    osName: word(find(value, "system", "name")),
    osVersion: word(find(value, "system", "release")),
    implementationName: word(find(value, "implementation", "name")),
    implementationVersion: word(find(value, "implementation", "version")),
    pythonVersion: word(find(value, "python")),
    installerName: word(find(value, "installer", "name")),
    installerVersion: word(find(value, "installer", "version")),
    setuptoolsVersion: word(find(value, "setuptools_version")),
  };
}

/** Own properties only: what is inherited was not said. */
function find(value: unknown, ...names: readonly string[]): unknown {
  let found = value;
  for (const name of names) {
    if (typeof found !== "object" || found === null || !Object.hasOwn(found, name))
      return undefined;
    found = (found as Readonly<Record<string, unknown>>)[name];
  }
  return found;
}

function word(value: unknown): string | null {
  if (typeof value !== "string") return null;
  const text = value.trim();
  return text === "" || text.length > MAX_CLIENT_WORD || /\p{C}/u.test(text) ? null : text;
}
