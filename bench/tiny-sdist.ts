/**
 * The smallest sdist that is built for real: a module, and a back-end in its own tree (PEP 517) that needs
 * nothing and makes the same wheel, byte for byte, of the same version. So the time of its build is pip's
 * own, and the wheel of the farm can be compared with that of the bare command.
 */
import { packSdist } from "../samples/index.ts";

const backend = (name: string, version: string): string => `
import base64, hashlib, os, zipfile

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    info = "${name}-${version}.dist-info"
    files = {
        "${name}.py": b"VERSION = '${version}'\\n",
        info + "/METADATA": b"Metadata-Version: 2.1\\nName: ${name}\\nVersion: ${version}\\n",
        info + "/WHEEL": b"Wheel-Version: 1.0\\nGenerator: bench\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
    }
    rows = []
    for path, data in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        rows.append("%s,sha256=%s,%d" % (path, digest, len(data)))
    rows.append(info + "/RECORD,,")
    files[info + "/RECORD"] = ("\\n".join(rows) + "\\n").encode()
    wheel = "${name}-${version}-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(wheel_directory, wheel), "w") as archive:
        for path, data in files.items():
            archive.writestr(zipfile.ZipInfo(path, (1980, 1, 1, 0, 0, 0)), data)
    return wheel
`;

/** @param name with nothing in it but small letters, digits and underscores */
export function tinySdist(name: string, version: string): { filename: string; contents: Buffer } {
  const stem = `${name}-${version}`;
  const texts = {
    "PKG-INFO": `Metadata-Version: 2.1\nName: ${name}\nVersion: ${version}\n`,
    "pyproject.toml": `[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n`,
    "backend.py": backend(name, version),
  };
  const entries = Object.entries(texts).map(([path, text]) => ({
    path,
    data: Buffer.from(text),
    executable: false,
  }));
  return { filename: `${stem}.tar.gz`, contents: packSdist(entries, stem) };
}
