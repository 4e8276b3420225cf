/**
 * Gives a wheel a build tag (PEP 427), so that a rebuild of a version gets a file name of its own: the name,
 * WHEEL's Build line and RECORD are changed together. Called by wheel-files.ts for orders that carry one.
 *
 * The zip is written by the interpreter that built it, whose zipfile module keeps the entries as they are. It runs
 * where the build ran, and into a folder that the build has never seen: beside the wheel a link may wait under
 * the new name.
 */
import { mkdtemp } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { parseWheelFilename } from "../../protocol/packaging/wheel-filename.ts";
import { runCommand } from "./launch.ts";
import type { Tools } from "./system-packages.ts";

const TIMEOUT_MS = 10 * 60_000;
/** Of what Python says when it fails: the last line stands there. */
const MAX_COMPLAINT_BYTES = 64 * 1024;

const source = `
import base64, csv, hashlib, io, sys, zipfile

old, new, tag = sys.argv[1:4]
with zipfile.ZipFile(old) as source:
    infos = source.infolist()
    wheel_name = [i.filename for i in infos if i.filename.endswith(".dist-info/WHEEL") and i.filename.count("/") == 1][0]
    folder = wheel_name[:-len("WHEEL")]
    record_name = folder + "RECORD"
    lines = source.read(wheel_name).decode("utf-8").rstrip("\\n").split("\\n")
    lines = [line for line in lines if line.strip() and not line.lower().startswith("build:")]
    wheel = ("\\n".join(lines + ["Build: " + tag]) + "\\n").encode("utf-8")
    digest = base64.urlsafe_b64encode(hashlib.sha256(wheel).digest()).rstrip(b"=").decode("ascii")
    signatures = (record_name + ".jws", record_name + ".p7s")
    rows = []
    for row in csv.reader(io.StringIO(source.read(record_name).decode("utf-8"), newline="")):
        if not row or row[0] in signatures:
            continue
        rows.append([row[0], "sha256=" + digest, str(len(wheel))] if row[0] == wheel_name else row)
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\\n").writerows(rows)
    with zipfile.ZipFile(new, "x") as target:
        for info in infos:
            if info.filename in signatures:
                continue
            if info.filename == wheel_name:
                data = wheel
            elif info.filename == record_name:
                data = text.getvalue().encode("utf-8")
            else:
                data = source.read(info)
            target.writestr(info, data, info.compress_type)
`;

/**
 * Writes the wheel anew, in a folder of its own beside it, and returns the new path. A build tag that it had is replaced.
 * @throws an error with one line for people when the wheel or the tag cannot be used
 */
export async function withBuildTag(
  wheelPath: string,
  buildTag: string,
  executable: string,
  tools: Tools,
): Promise<string> {
  const name = parseWheelFilename(basename(wheelPath));
  if (name === undefined) throw new Error(`${basename(wheelPath)} is no wheel file name`);
  const { nameAsWritten, versionAsWritten, interpreter, abi, platform } = name;
  const filename = `${nameAsWritten}-${versionAsWritten}-${buildTag}-${interpreter}-${abi}-${platform}.whl`;
  if (parseWheelFilename(filename)?.buildTag !== buildTag) {
    throw new Error(
      `${JSON.stringify(buildTag)} cannot be a build tag: it must begin with a digit`,
    );
  }
  if (filename === basename(wheelPath)) return wheelPath;
  const folder = await mkdtemp(join(dirname(wheelPath), "tagged-"));
  const path = join(folder, filename);
  let said = "";
  const exit = await runCommand(
    {
      argv: [executable, "-I", "-c", source, wheelPath, path, buildTag],
      cwd: folder,
      env: tools.env,
      buildId: tools.buildId,
      ...(tools.cell && { cell: tools.cell }),
    },
    { timeoutMs: TIMEOUT_MS },
    (chunk) => {
      said = `${said}${chunk.toString()}`.slice(-MAX_COMPLAINT_BYTES);
    },
    tools.signal,
  );
  tools.signal.throwIfAborted();
  if (exit.code !== 0) {
    const why = exit.limit?.message ?? said.trimEnd().split("\n").at(-1) ?? "";
    throw new Error(`the build tag could not be added: ${why}`);
  }
  return path;
}
