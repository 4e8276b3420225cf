/** The logs are excerpts of what pip 18.1 to 24.2 really printed, with shorter paths. */
import { expect, test } from "vitest";
import { findCause } from "../../../actors/slave/cause.ts";
import type { Exit } from "../../../actors/slave/launch.ts";

const FAILED: Exit = { code: 1, signal: null, endedBy: "itself" };

const BUILD_DEPENDENCIES_FAILED = `  error: subprocess-exited-with-error
  
  × pip subprocess to install build dependencies did not run successfully.
  │ exit code: 1
  ╰─> See above for output.
  
  note: This error originates from a subprocess, and is likely not a problem with pip.
  full command: /opt/python3.11 /opt/pip/__pip-runner__.py install --ignore-installed --no-user --prefix /b/tmp/overlay --no-warn-script-location --no-binary msgpack --only-binary :none: -i http://127.0.0.1:45267/simple/ -- 'Cython~=0.29.13' 'setuptools >= 35.0.2'
  cwd: [inherit]
  Installing build dependencies: finished with status 'error'
error: subprocess-exited-with-error

× pip subprocess to install build dependencies did not run successfully.
│ exit code: 1
╰─> See above for output.

note: This error originates from a subprocess, and is likely not a problem with pip.
`;

const BEGINNING = `Looking in indexes: http://127.0.0.1:45267/simple/
Processing /b/source/msgpack-1.0.3.tar.gz
  Installing build dependencies: started
  Running command pip subprocess to install build dependencies
  Looking in indexes: http://127.0.0.1:45267/simple/
`;

const MISSING_CYTHON = `${BEGINNING}  ERROR: Could not find a version that satisfies the requirement Cython~=0.29.13 (from versions: none)
  ERROR: No matching distribution found for Cython~=0.29.13
${BUILD_DEPENDENCIES_FAILED}`;

const CONNECTION_REFUSED = `${BEGINNING}  WARNING: Retrying (Retry(total=1, connect=None, read=None, redirect=None, status=None)) after connection broken by 'NewConnectionError('<pip._vendor.urllib3.connection.HTTPConnection object at 0x7f8d6c1f6810>: Failed to establish a new connection: [Errno 111] Connection refused')': /simple/setuptools/
  WARNING: Retrying (Retry(total=0, connect=None, read=None, redirect=None, status=None)) after connection broken by 'NewConnectionError('<pip._vendor.urllib3.connection.HTTPConnection object at 0x7f8d6c1f6810>: Failed to establish a new connection: [Errno 111] Connection refused')': /simple/setuptools/
  ERROR: Could not find a version that satisfies the requirement setuptools>=40.8.0 (from versions: none)
  ERROR: No matching distribution found for setuptools>=40.8.0
${BUILD_DEPENDENCIES_FAILED}`;

const RECOVERED_THEN_MISSING = `${BEGINNING}  WARNING: Retrying (Retry(total=4, connect=None, read=None, redirect=None, status=None)) after connection broken by 'RemoteDisconnected('Remote end closed connection without response')': /simple/cython/
  ERROR: Could not find a version that satisfies the requirement Cython~=0.29.13 (from versions: none)
  ERROR: No matching distribution found for Cython~=0.29.13
${BUILD_DEPENDENCIES_FAILED}`;

const FILE_503 = `${BEGINNING}  Collecting setuptools>=40.8.0
  ERROR: Could not install packages due to an OSError: HTTPConnectionPool(host='127.0.0.1', port=42333): Max retries exceeded with url: /files/setuptools-80.9.0-py3-none-any.whl (Caused by ResponseError('too many 503 error responses'))

${BUILD_DEPENDENCIES_FAILED}`;

const FILE_503_PIP_24 = `${BEGINNING}  Collecting setuptools>=40.8.0
  ERROR: Exception:
  Traceback (most recent call last):
    File "/opt/pip/_vendor/requests/adapters.py", line 691, in send
      raise RetryError(e, request=request)
  pip._vendor.requests.exceptions.RetryError: HTTPConnectionPool(host='127.0.0.1', port=33951): Max retries exceeded with url: /files/setuptools-80.9.0-py3-none-any.whl (Caused by ResponseError('too many 503 error responses'))
${BUILD_DEPENDENCIES_FAILED}`;

const MYSQL_CONFIG = `  Running command Getting requirements to build wheel
  /bin/sh: 1: mysql_config: not found
  /bin/sh: 1: mariadb_config: not found
  Traceback (most recent call last):
    File "/opt/pip/_vendor/pyproject_hooks/_in_process/_in_process.py", line 353, in <module>
      main()
    File "/b/tmp/pip-req-build-xl34xgf0/setup_posix.py", line 29, in mysql_config
      raise EnvironmentError("%s not found" % (_mysql_config_path,))
  OSError: mysql_config not found
  error: subprocess-exited-with-error
  
  × Getting requirements to build wheel did not run successfully.
  │ exit code: 1
  ╰─> See above for output.
  
  note: This error originates from a subprocess, and is likely not a problem with pip.
  full command: /opt/python3.11 /opt/pip/_in_process.py get_requires_for_build_wheel /b/tmp/tmpl2082q13
  cwd: /b/tmp/pip-req-build-xl34xgf0
  Getting requirements to build wheel: finished with status 'error'
error: subprocess-exited-with-error

× Getting requirements to build wheel did not run successfully.
│ exit code: 1
╰─> See above for output.

note: This error originates from a subprocess, and is likely not a problem with pip.
`;

const SNAPPY_HEADER = `  Running command Building wheel for python-snappy (pyproject.toml)
  running build_ext
  building 'snappy._snappy' extension
  g++ -Wsign-compare -DNDEBUG -g -fwrapv -O3 -Wall -fPIC -c snappy/snappymodule.cc -o build/snappymodule.o
  snappy/snappymodule.cc:31:10: fatal error: snappy-c.h: No such file or directory
     31 | #include <snappy-c.h>
        |          ^~~~~~~~~~~~
  compilation terminated.
  error: command '/usr/bin/g++' failed with exit code 1
  error: subprocess-exited-with-error
  
  × Building wheel for python-snappy (pyproject.toml) did not run successfully.
  │ exit code: 1
  ╰─> See above for output.
  
  note: This error originates from a subprocess, and is likely not a problem with pip.
  Building wheel for python-snappy (pyproject.toml): finished with status 'error'
  ERROR: Failed building wheel for python-snappy
Failed to build python-snappy
ERROR: Failed to build one or more wheels
`;

const PIP_18_WITHOUT_WHEEL = `Building wheels for collected packages: netifaces
  Running setup.py bdist_wheel for netifaces: started
  Destination directory: /b/tmp/pip-wheel-as7lz0zu
  Running command /opt/python3.6 -u -c "import setuptools, tokenize;exec(compile(code, __file__, 'exec'))" bdist_wheel -d /b/tmp/pip-wheel-as7lz0zu
  usage: -c [global_opts] cmd1 [cmd1_opts] [cmd2 [cmd2_opts] ...]
     or: -c cmd --help

  error: invalid command 'bdist_wheel'
  Running setup.py bdist_wheel for netifaces: finished with status 'error'
  Failed building wheel for netifaces
  Running setup.py clean for netifaces
  Running command /opt/python3.6 -u -c "import setuptools, tokenize;exec(compile(code, __file__, 'exec'))" clean --all
  running clean
  'build/lib.linux-x86_64-3.6' does not exist -- can't clean it
Failed to build netifaces
Cleaning up...
  Removing source in /b/tmp/pip-req-build-3ku9fgr6
Removed build tracker '/b/tmp/pip-req-tracker-b11fyi_k'
ERROR: Failed to build one or more wheels
Exception information:
Traceback (most recent call last):
  File "/opt/pip/_internal/cli/base_command.py", line 143, in main
    status = self.run(options, args)
pip._internal.exceptions.CommandError: Failed to build one or more wheels
`;

const TRIED_PIP_THEN_FAILED = `  Running command Getting requirements to build wheel
  ERROR: No matching distribution found for an-extra
  Running command Building wheel for foo (pyproject.toml)
  ValueError: nothing works
  error: subprocess-exited-with-error
`;

const DISK_FULL = `  Running command Building wheel for foo (pyproject.toml)
  gcc -c big.c -o big.o
  /tmp/ccXa.s: Assembler messages:
  /tmp/ccXa.s: Fatal error: can't write 42 bytes to section .text of big.o: 'No space left on device'
  error: command '/usr/bin/gcc' failed with exit code 1
`;

const PYTHON_MEMORY = `  Running command Building wheel for foo (pyproject.toml)
  Traceback (most recent call last):
    File "setup.py", line 3, in <module>
      x = bytearray(10**13)
  MemoryError
  error: subprocess-exited-with-error
`;

const COMPILER_KILLED = `  Running command Building wheel for foo (pyproject.toml)
  c++: fatal error: Killed signal terminated program cc1plus
  compilation terminated.
  error: command '/usr/bin/c++' failed with exit code 1
`;

const OWN_DOWNLOAD = `  Running command Building wheel for foo (pyproject.toml)
  Traceback (most recent call last):
    File "setup.py", line 9, in <module>
      requests.get("https://example.org/model.bin")
  requests.exceptions.ConnectionError: HTTPSConnectionPool(host='example.org', port=443): Max retries exceeded with url: /model.bin
  error: subprocess-exited-with-error
`;

const BAD_DEPENDENCY_HASH = `${BEGINNING}  Collecting setuptools
  ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE. If you have updated the package versions, please update the hashes. Otherwise, examine the package contents carefully; someone may have tampered with them.
      setuptools from http://127.0.0.1:1/files/setuptools-80.9.0-py3-none-any.whl:
          Expected sha256 aaaa
               Got        bbbb
${BUILD_DEPENDENCIES_FAILED}`;

const OLD_SETUP_REQUIRES = `  Running command python setup.py egg_info
  distutils.errors.DistutilsError: Could not find suitable distribution for Requirement.parse('pytest-runner')
`;

test.each([
  [
    "a requirement that no index has",
    MISSING_CYTHON,
    "dependency-missing",
    "no release found that satisfies Cython~=0.29.13",
  ],
  [
    "one that setup_requires names",
    OLD_SETUP_REQUIRES,
    "dependency-missing",
    "no release found that satisfies pytest-runner",
  ],
  [
    "one missing after the connection recovered",
    RECOVERED_THEN_MISSING,
    "dependency-missing",
    "no release found that satisfies Cython~=0.29.13",
  ],
  [
    "an index that refuses connections",
    CONNECTION_REFUSED,
    "index-unreachable",
    "the index could not be reached for /simple/setuptools/ ([Errno 111] Connection refused)",
  ],
  [
    "a file that the index does not give (pip 23)",
    FILE_503,
    "index-unreachable",
    /^ERROR: Could not install packages .* 503 error responses/,
  ],
  [
    "a file that the index does not give (pip 24)",
    FILE_503_PIP_24,
    "index-unreachable",
    /^pip\._vendor\.requests\.exceptions\.RetryError/,
  ],
  [
    "a dependency that is not what the index says",
    BAD_DEPENDENCY_HASH,
    "index-unreachable",
    /DO NOT MATCH THE HASHES/,
  ],
  [
    "a program of the system that is missing",
    MYSQL_CONFIG,
    "build-failed",
    "OSError: mysql_config not found",
  ],
  [
    "a header of the system that is missing",
    SNAPPY_HEADER,
    "build-failed",
    "snappy/snappymodule.cc:31:10: fatal error: snappy-c.h: No such file or directory",
  ],
  [
    "an interpreter without wheel, pip 18",
    PIP_18_WITHOUT_WHEEL,
    "build-failed",
    "error: invalid command 'bdist_wheel'",
  ],
  [
    "a requirement missed on the way to another failure",
    TRIED_PIP_THEN_FAILED,
    "build-failed",
    "ValueError: nothing works",
  ],
  [
    "a download of the package's own",
    OWN_DOWNLOAD,
    "build-failed",
    /^requests\.exceptions\.ConnectionError/,
  ],
  ["a full disk", DISK_FULL, "out-of-disk", /No space left on device/],
  ["a Python out of memory", PYTHON_MEMORY, "out-of-memory", "MemoryError"],
  [
    "a compiler that the kernel killed",
    COMPILER_KILLED,
    "out-of-memory",
    /Killed signal terminated program cc1plus/,
  ],
  ["a log that says nothing", "", "build-failed", "it ended with exit code 1"],
])("%s", (_what, log, cause, message) => {
  const finding = findCause(FAILED, log, 1_000);
  expect(finding.cause).toBe(cause);
  expect(finding.message).toEqual(
    typeof message === "string" ? message : (expect.stringMatching(message) as string),
  );
  expect(finding.missing).toEqual(
    cause === "dependency-missing" ? [message.toString().split(" ").at(-1)] : [],
  );
});

test.each<[string, Exit, string, RegExp]>([
  ["ended well", { code: 0, signal: null, endedBy: "itself" }, "built", /^$/],
  [
    "was killed by the kernel",
    { code: null, signal: "SIGKILL", endedBy: "itself" },
    "out-of-memory",
    /memory/,
  ],
  [
    "was killed by the kernel under a shell",
    { code: 137, signal: null, endedBy: "itself" },
    "out-of-memory",
    /memory/,
  ],
  [
    "was ended by a person",
    { code: null, signal: "SIGTERM", endedBy: "itself" },
    "killed",
    /SIGTERM/,
  ],
  ["crashed", { code: null, signal: "SIGSEGV", endedBy: "itself" }, "build-failed", /SIGSEGV/],
  [
    "took too long and had to be killed",
    { code: null, signal: "SIGKILL", endedBy: "timeout" },
    "timeout",
    /stopped after 1\.5 h/,
  ],
  [
    "took too long and ended in order",
    { code: 0, signal: null, endedBy: "timeout" },
    "timeout",
    /1\.5 h/,
  ],
  ["was dropped", { code: 1, signal: null, endedBy: "abort" }, "killed", /master/],
])("a build that %s has its cause whatever the log says", (_what, exit, cause, message) => {
  const finding = findCause(exit, exit.code === 137 ? "Killed" : MISSING_CYTHON, 5_400_000);
  expect(finding.cause).toBe(cause);
  expect(finding.message).toMatch(message);
  expect(finding.missing).toEqual([]);
});

test("a message is one short line, however long the line of the log is", () => {
  const { message } = findCause(FAILED, `ValueError: ${"x".repeat(1_000_000)}\n`, 1_000);
  expect(message.length).toBeLessThanOrEqual(500);
});

test("half a megabyte of hostile log is read in time that grows with its length only", () => {
  const lines = [
    "a".repeat(500_000),
    "error: ".repeat(70_000),
    "a.".repeat(250_000),
    "Retrying (".repeat(50_000),
  ];
  const startedAt = performance.now();
  for (const line of lines) findCause(FAILED, line, 1_000);
  for (const line of lines) findCause(FAILED, line.replaceAll(/.{20}/g, "$&\n"), 1_000);
  expect(performance.now() - startedAt).toBeLessThan(5_000);
});
