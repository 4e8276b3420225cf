/**
 * An sdist whose build takes a while and whose wheel is large, so that a fault can hit a build or a
 * transfer in its middle. Its back-end is in its tree and needs nothing.
 */
import { packSdist } from "../../samples/index.ts";

export interface SlowSdistOptions {
  readonly name: string;
  readonly version: string;
  /** How long the build takes. Default 0. */
  readonly buildMs?: number;
  /** Of random bytes in the wheel, which do not compress. Default 0. */
  readonly payloadBytes?: number;
  /** Python that the build runs first. Default: none. */
  readonly before?: string;
}

export function slowSdist(options: SlowSdistOptions): { filename: string; contents: Buffer } {
  const { name, version, buildMs = 0, payloadBytes = 0, before = "" } = options;
  const stem = `${name}-${version}`;
  const backend = `
import base64, hashlib, os, random, time, zipfile

def before():
${["pass", ...before.trim().split("\n")].map((line) => `    ${line}`).join("\n")}

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    before()
    time.sleep(${buildMs / 1000})
    info = "${stem}.dist-info"
    files = {
        "${name}.py": b"VERSION = '${version}'\\n",
        "${name}.bin": random.Random(7).randbytes(${payloadBytes}),
        info + "/METADATA": b"Metadata-Version: 2.1\\nName: ${name}\\nVersion: ${version}\\n",
        info + "/WHEEL": b"Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
    }
    rows = []
    wheel = "${stem}-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(wheel_directory, wheel), "w") as archive:
        for path, data in files.items():
            archive.writestr(path, data)
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            rows.append("%s,sha256=%s,%d" % (path, digest, len(data)))
        rows.append(info + "/RECORD,,")
        archive.writestr(info + "/RECORD", "\\n".join(rows) + "\\n")
    return wheel
`;
  const entries = {
    "PKG-INFO": `Metadata-Version: 2.1\nName: ${name}\nVersion: ${version}\n`,
    "pyproject.toml": `[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n`,
    "backend.py": backend,
  };
  const sources = Object.entries(entries).map(([path, text]) => ({
    path,
    data: Buffer.from(text),
    executable: false,
  }));
  return { filename: `${stem}.tar.gz`, contents: packSdist(sources, stem) };
}
