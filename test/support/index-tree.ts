/**
 * An output folder with a package index as the farm writes it: by the project's storage and renderers, with wheels that
 * pip can install. For tests of what serves such a folder.
 */
import { createHash, randomBytes } from "node:crypto";
import { chmod, mkdtemp, readFile, stat, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { brotliCompressSync, gzipSync } from "node:zlib";
import type { SimpleFile } from "../../protocol/model/simple-page.ts";
import { canonicalName } from "../../protocol/packaging/canonical-name.ts";
import { renderSimpleProject } from "../../web/index/simple-project.ts";
import { renderSimpleRoot } from "../../web/index/simple-root.ts";
import { metadataKey, simplePageKeys, wheelKey } from "../../web/public-key.ts";
import { openLocalStorage, type Storage, variantsOf } from "../../web/storage.ts";
import { wheelPieces } from "../protocol/packaging/wheel-builder.ts";
import { buildZip } from "../protocol/packaging/zip-builder.ts";

export interface IndexedWheel {
  /** As its author spells it. */
  readonly name: string;
  readonly version: string;
  /** Default `py3-none-any`. */
  readonly tag?: string;
  readonly requires?: readonly string[];
  readonly requiresPython?: string;
  readonly yanked?: string;
  /** Adds so much that cannot be compressed. */
  readonly ballastBytes?: number;
  /** Default true. */
  readonly isMetadataServed?: boolean;
}

export class IndexTree {
  readonly output: string;
  readonly storage: Storage;
  readonly #files = new Map<string, SimpleFile[]>();

  private constructor(output: string, storage: Storage) {
    this.output = output;
    this.storage = storage;
  }

  /** In a new folder that every user may read, as web servers of other users have to. */
  static async make(): Promise<IndexTree> {
    const folder = await mkdtemp(join(tmpdir(), "index-tree-"));
    await chmod(folder, 0o755);
    const output = join(folder, "site");
    return new IndexTree(output, await openLocalStorage(output));
  }

  /** The folder of it all, to be removed in the end. */
  get folder(): string {
    return join(this.output, "..");
  }

  filesOf(project: string): readonly SimpleFile[] {
    return this.#files.get(project) ?? [];
  }

  /** Takes a wheel the way of a build; it is on its page after `writePages`. */
  async addWheel(wheel: IndexedWheel): Promise<SimpleFile> {
    const project = canonicalName(wheel.name);
    const module = project.replaceAll("-", "_");
    const filename = `${module}-${wheel.version}-${wheel.tag ?? "py3-none-any"}.whl`;
    const metadata = metadataOf(wheel);
    const bytes = wheelOf(wheel, module, metadata);
    const sha256 = await this.storage.putBlob(bytes);
    await this.storage.publishOnce(wheelKey(project, filename), sha256);
    const isServed = wheel.isMetadataServed !== false;
    if (isServed) await this.storage.replace(metadataKey(project, filename), metadata);
    const file: SimpleFile = {
      filename,
      version: wheel.version,
      sha256,
      sizeBytes: bytes.length,
      requiresPython: wheel.requiresPython ?? null,
      metadataSha256: isServed ? createHash("sha256").update(metadata).digest("hex") : null,
      provenanceSha256: null,
      yanked: wheel.yanked ?? null,
      uploadedAt: Date.now(),
    };
    this.#files.set(project, [...this.filesOf(project), file]);
    return file;
  }

  /** Writes the pages of the Simple API. */
  async writePages(): Promise<void> {
    for (const [name, files] of this.#files) {
      const { html, json } = renderSimpleProject({ name, files, upstream: null });
      const keys = simplePageKeys(name);
      await this.writePage(keys.html, html);
      await this.writePage(keys.json, json);
    }
    const root = renderSimpleRoot([...this.#files.keys()].sort());
    await this.writePage(simplePageKeys().html, root.html);
    await this.writePage(simplePageKeys().json, root.json);
  }

  /** With its compressed copies, also where the storage has made none yet (those of large pages come later). */
  async writePage(key: string, contents: string): Promise<void> {
    await this.storage.replace(key, contents);
    const path = join(this.output, key);
    const [page, { atime, mtimeMs }] = [await readFile(path), await stat(path)];
    // Seconds as a fraction are not exact: both get the same.
    await utimes(path, atime, mtimeMs / 1_000);
    for (const { suffix, encoding } of variantsOf(key, page.length)) {
      await writeFile(
        `${path}${suffix}`,
        encoding === "gzip" ? gzipSync(page, { level: 6 }) : brotliCompressSync(page),
      );
      await utimes(`${path}${suffix}`, atime, mtimeMs / 1_000);
    }
  }
}

function metadataOf(wheel: IndexedWheel): string {
  const { name, version, requires = [], requiresPython } = wheel;
  const lines = ["Metadata-Version: 2.1", `Name: ${name}`, `Version: ${version}`];
  if (requiresPython !== undefined) lines.push(`Requires-Python: ${requiresPython}`);
  return [...lines, ...requires.map((each) => `Requires-Dist: ${each}`), ""].join("\n");
}

function wheelOf(wheel: IndexedWheel, module: string, metadata: string): Buffer {
  const { version, tag = "py3-none-any", ballastBytes } = wheel;
  const ballast =
    ballastBytes === undefined
      ? []
      : [{ name: `${module}/ballast`, data: randomBytes(ballastBytes), isStored: true }];
  return buildZip(
    wheelPieces({
      distInfo: `${module}-${version}.dist-info`,
      metadata,
      wheel: `Wheel-Version: 1.0\nGenerator: by hand\nRoot-Is-Purelib: true\nTag: ${tag}\n`,
      files: [
        { name: `${module}/__init__.py`, data: `version = ${JSON.stringify(version)}\n` },
        ...ballast,
      ],
    }),
  );
}
