import { describe, expect, it } from "vitest";
import { evaluateMarker, formatMarker, parseMarker } from "../../../protocol/packaging/marker.ts";
import { markerEnvironment } from "../../../protocol/packaging/marker-environment.ts";

const environment = markerEnvironment({
  implementation: "cpython",
  pythonVersion: "3.11",
  pythonFullVersion: "3.11.2",
  platformTag: "manylinux_2_36_aarch64",
});

describe("a marker", () => {
  it.each([
    ['python_version < "3.12"', true],
    ['python_version >= "3.9"', true],
    ['python_version == "3.11.*"', true],
    ['"3.9" <= python_version', true],
    ['"3.12" <= python_version', false],
    ['python_version in "3.10 3.11"', true],
    ['python_version not in "3.10 3.11"', false],
    ['python_full_version ~= "3.11.1"', true],
    ['python_full_version === "3.11.2"', true],
    ['python_version > "nonsense"', false],
    ["sys_platform == 'linux'", true],
    ["sys.platform == 'linux'", true],
    ['platform_machine == "aarch64"', true],
    ['os_name != "nt"', true],
    ['implementation_name == "cpython" and python_implementation == "CPython"', true],
    ['platform_system < "Z"', false],
    ['platform_system <= "Linux"', true],
    ['os_name ~= "1.0"', false],
    ['"inu" in sys_platform', true],
    ['"win" not  in sys_platform', true],
    ['platform_release >= "5"', false],
    ['extra == "x"', false],
    ['os_name == "nt" or os_name == "posix" and python_version > "3"', true],
    ['os_name == "posix" or os_name == "nt" and python_version < "3"', true],
    ['(os_name == "posix" or os_name == "nt") and python_version < "3"', false],
    ['((os_name == "posix"))', true],
    ['"a" == "a"', true],
    ["'\"' in platform_system", false],
  ])("%s: %s", (text, expected) => {
    const marker = parseMarker(text);
    expect(evaluateMarker(marker, environment)).toBe(expected);
    expect(parseMarker(formatMarker(marker))).toEqual(marker);
  });

  it("compares extras by their canonical names", () => {
    const marker = parseMarker('extra == "Foo_Bar"');
    expect(evaluateMarker(marker, { ...environment, extra: "foo.bar" })).toBe(true);
  });

  it.each([
    ['platform_version == "1"', false],
    ['platform_version == "1.0"', true],
    ['platform_version >= "0.5"', false],
    ['platform_release >= "5"', true],
    ['"1.0" == "1"', false],
  ])("compares text as text and versions as versions: %s is %s", (text, expected) => {
    const numbered = { ...environment, platform_version: "1.0", platform_release: "6.1" };
    expect(evaluateMarker(parseMarker(text), numbered)).toBe(expected);
  });

  it("reads the version of an interpreter built between releases", () => {
    const between = { ...environment, python_full_version: "3.13.0+" };
    expect(evaluateMarker(parseMarker('python_full_version >= "3.13"'), between)).toBe(true);
  });

  it("that is absent is true", () => {
    expect(evaluateMarker(undefined, environment)).toBe(true);
  });

  it.each([
    ["", "variable"],
    ["python_version", "comparison"],
    ["python_version ==", "variable"],
    ["python_version == 3", "variable"],
    ["python_version = '3'", "comparison"],
    ["bogus == 'x'", "variable"],
    ["constructor == 'x'", "variable"],
    ["os_name == 'x", "variable"],
    ["(os_name == 'x'", "parenthesis"],
    ["os_name == 'x')", "end"],
    ["os_name == 'x' and", "variable"],
    ["os_name == 'x' os_name == 'x'", "end"],
    ["os_name not 'x'", "comparison"],
    [`${"(".repeat(60)}os_name == 'x'${")".repeat(60)}`, "deeply"],
    ["(".repeat(9_000), "deeply"],
  ])("%.40j is refused, with what it lacks", (text, expected) => {
    expect(() => parseMarker(text)).toThrow(expected);
  });
});

describe("the environment of a target", () => {
  it.each([
    ["linux_armv7l", "linux", "Linux", "posix", "armv7l"],
    ["manylinux2014_x86_64", "linux", "Linux", "posix", "x86_64"],
    ["musllinux_1_2_riscv64", "linux", "Linux", "posix", "riscv64"],
    ["macosx_11_0_arm64", "darwin", "Darwin", "posix", "arm64"],
    ["win_amd64", "win32", "Windows", "nt", "AMD64"],
    ["win32", "win32", "Windows", "nt", "x86"],
  ])("with platform %s is %s, %s, %s, %s", (platformTag, sys, system, os, machine) => {
    const target = {
      implementation: "pp",
      pythonVersion: "3.10",
      pythonFullVersion: "3.10.14",
      platformTag,
    };
    expect(markerEnvironment(target)).toMatchObject({
      sys_platform: sys,
      platform_system: system,
      os_name: os,
      platform_machine: machine,
      implementation_name: "pypy",
      platform_python_implementation: "PyPy",
    });
  });
});
