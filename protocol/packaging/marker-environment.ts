/**
 * The environment that markers are evaluated in (PEP 508): what a Python process on some target would say
 * of itself. Called with a target to decide which requirements are meant for it. It asks no interpreter:
 * what cannot be told from a target (kernel release and version) is empty.
 */

/** The standard's variables, with its spelling. */
export interface MarkerEnvironment {
  readonly implementation_name: string;
  readonly implementation_version: string;
  readonly os_name: string;
  readonly platform_machine: string;
  readonly platform_python_implementation: string;
  readonly platform_release: string;
  readonly platform_system: string;
  readonly platform_version: string;
  readonly python_full_version: string;
  readonly python_version: string;
  readonly sys_platform: string;
  /** The extra that is asked for; default none (the empty text). */
  readonly extra?: string;
}

/** What of a target matters here. */
export interface MarkerTarget {
  /** `cpython` or `cp`, `pypy` or `pp`, or another implementation's name. */
  readonly implementation: string;
  /** `3.11` */
  readonly pythonVersion: string;
  /** `3.11.2` */
  readonly pythonFullVersion: string;
  /** `linux_aarch64`, `manylinux_2_36_x86_64`, `musllinux_1_2_armv7l`, `macosx_11_0_arm64`, `win_amd64` */
  readonly platformTag: string;
}

const implementations: Readonly<Record<string, readonly [name: string, shown: string]>> = {
  cp: ["cpython", "CPython"],
  cpython: ["cpython", "CPython"],
  pp: ["pypy", "PyPy"],
  pypy: ["pypy", "PyPy"],
};

const windowsMachines: Readonly<Record<string, string>> = {
  win32: "x86",
  win_amd64: "AMD64",
  win_arm64: "ARM64",
};

/** For PyPy `implementation_version` is the language's version, since a target does not say PyPy's own. */
export function markerEnvironment(target: MarkerTarget): MarkerEnvironment {
  const [name, shown] = implementations[target.implementation.toLowerCase()] ?? [
    target.implementation.toLowerCase(),
    target.implementation,
  ];
  return {
    implementation_name: name,
    implementation_version: target.pythonFullVersion,
    platform_python_implementation: shown,
    platform_release: "",
    platform_version: "",
    python_full_version: target.pythonFullVersion,
    python_version: target.pythonVersion,
    ...platform(target.platformTag),
  };
}

function platform(tag: string) {
  const linux = /^(?:linux|manylinux(?:1|2010|2014|_\d+_\d+)|musllinux_\d+_\d+)_(.+)$/.exec(tag);
  if (linux !== null) return system("linux", "Linux", "posix", linux[1] ?? "");
  const mac = /^macosx_\d+_\d+_(.+)$/.exec(tag);
  if (mac !== null) return system("darwin", "Darwin", "posix", mac[1] ?? "");
  const windows = windowsMachines[tag];
  if (windows !== undefined) return system("win32", "Windows", "nt", windows);
  const [os = "", ...rest] = tag.split("_");
  return system(os, os, "posix", rest.at(-1) ?? "");
}

const system = (
  sys_platform: string,
  platform_system: string,
  os_name: string,
  machine: string,
) => ({
  sys_platform,
  platform_system,
  os_name,
  platform_machine: machine,
});
