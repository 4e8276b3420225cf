/**
 * An sdist whose build does what a test says, in Python, and then leaves a wheel. Its back-end is in its tree;
 * what it requires besides is the test's to serve.
 */
import { packSdist } from "../../samples/index.ts";

export interface ScriptedSdist {
  /** Lines of the function that builds; `os`, `resource`, `sys`, `time`, `socket`, `signal` and `subprocess` are imported. */
  readonly body: string;
  readonly requires?: readonly string[];
}

const NAME = "demo_pkg";
const VERSION = "1.0";

/** The project is `demo-pkg` 1.0. */
export function scriptedSdist({ body, requires = [] }: ScriptedSdist): {
  filename: string;
  contents: Buffer;
} {
  const stem = `${NAME}-${VERSION}`;
  const entries = {
    "PKG-INFO": `Metadata-Version: 2.1\nName: ${NAME}\nVersion: ${VERSION}\n`,
    "pyproject.toml": `[build-system]\nrequires = ${JSON.stringify(requires)}\nbuild-backend = "back_end"\nbackend-path = ["."]\n`,
    "back_end.py": backEnd(stem, body),
  };
  const sources = Object.entries(entries).map(([path, text]) => ({
    path,
    data: Buffer.from(text),
  }));
  return { filename: `${stem}.tar.gz`, contents: packSdist(sources, stem) };
}

const backEnd = (stem: string, body: string) => `
import base64, hashlib, os, resource, signal, socket, subprocess, sys, time, zipfile

def script():
${body
  .trim()
  .split("\n")
  .map((line) => `    ${line}`)
  .join("\n")}

def build_wheel(folder, config_settings=None, metadata_directory=None):
    sys.stdout.reconfigure(line_buffering=True)
    script()
    info = "${stem}.dist-info/"
    files = {
        info + "METADATA": "Metadata-Version: 2.1\\nName: ${NAME}\\nVersion: ${VERSION}\\n",
        info + "WHEEL": "Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
    }
    record = info + "RECORD,,\\n"
    for path, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        record += "%s,sha256=%s,%d\\n" % (path, digest, len(text))
    files[info + "RECORD"] = record
    name = "${stem}-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(folder, name), "w") as wheel:
        for path, text in files.items():
            wheel.writestr(path, text)
    return name
`;
