/**
 * What the sample upstream holds: projects, their files, the changelog, and the serial that moves with
 * each change. Owned by `sample-upstream.ts`, read by the renderers. It keeps file contents in memory:
 * it is meant for samples and for test folders of some megabytes.
 */
import { createHash } from "node:crypto";
import { canonicalName } from "../protocol/packaging/canonical-name.ts";
import { compareVersions } from "../protocol/packaging/version.ts";
import type { SampleFile } from "./sample-file.ts";

export interface ChangelogRow {
  readonly name: string;
  readonly version: string | null;
  /** Unix seconds. */
  readonly at: number;
  /** In the words of PyPI: `create`, `new release`, `add source file NAME`, `yank release`, … */
  readonly action: string;
  readonly serial: number;
}

export interface HeldFile extends SampleFile {
  readonly sha256: string;
  /** Unix ms. */
  readonly uploadedAt: number;
  /** Below the server's root, with the leading slash. */
  readonly urlPath: string;
}

export interface HeldRelease {
  readonly version: string;
  readonly files: HeldFile[];
  /** The reason, empty where none was given; null when the release is not yanked. */
  yanked: string | null;
}

export interface HeldProject {
  /** As its latest file spells it. */
  name: string;
  lastSerial: number;
  /** By version as written. */
  readonly releases: Map<string, HeldRelease>;
}

/** PyPI's serials skip numbers, since its journal also has rows that nobody sees; so do these. */
const SERIAL_STEP = 2;

export class SampleIndex {
  readonly projects = new Map<string, HeldProject>();
  readonly changelog: ChangelogRow[] = [];
  readonly #filesByPath = new Map<string, HeldFile>();
  readonly #filenames = new Set<string>();
  #serial: number;

  constructor(firstSerial: number) {
    this.#serial = firstSerial;
  }

  get lastSerial(): number {
    return this.#serial;
  }

  /** @throws Error for a file name that was ever used: as on PyPI, a name is never given out twice. */
  publish(file: SampleFile): HeldFile {
    if (this.#filenames.has(file.filename))
      throw new Error(`${file.filename} was published before`);
    this.#filenames.add(file.filename);
    const sha256 = createHash("sha256").update(file.contents).digest("hex");
    const urlPath = `/packages/${sha256.slice(0, 2)}/${sha256.slice(2, 4)}/${sha256.slice(4, 32)}/${file.filename}`;
    const held: HeldFile = { ...file, sha256, uploadedAt: Date.now(), urlPath };
    const canonical = canonicalName(file.project);
    let project = this.projects.get(canonical);
    if (project === undefined) {
      project = { name: file.project, lastSerial: 0, releases: new Map() };
      this.projects.set(canonical, project);
      this.#record(project, null, "create");
    }
    project.name = file.project;
    let release = project.releases.get(file.version);
    if (release === undefined) {
      release = { version: file.version, files: [], yanked: null };
      project.releases.set(file.version, release);
      this.#record(project, file.version, "new release");
    }
    release.files.push(held);
    this.#filesByPath.set(urlPath, held);
    this.#record(project, file.version, `add ${file.pythonTag} file ${file.filename}`);
    return held;
  }

  yank(name: string, version: string, reason: string): void {
    const { project, release } = this.#getRelease(name, version);
    release.yanked = reason;
    this.#record(project, version, "yank release");
  }

  unyank(name: string, version: string): void {
    const { project, release } = this.#getRelease(name, version);
    release.yanked = null;
    this.#record(project, version, "unyank release");
  }

  removeRelease(name: string, version: string): void {
    const { project, release } = this.#getRelease(name, version);
    for (const file of release.files) this.#filesByPath.delete(file.urlPath);
    project.releases.delete(version);
    this.#record(project, version, "remove release");
  }

  removeProject(name: string): void {
    const project = this.#getProject(name);
    for (const release of project.releases.values())
      for (const file of release.files) this.#filesByPath.delete(file.urlPath);
    this.#record(project, null, "remove project");
    this.projects.delete(canonicalName(name));
  }

  findProject(name: string): HeldProject | undefined {
    return this.projects.get(canonicalName(name));
  }

  findFile(urlPath: string): HeldFile | undefined {
    return this.#filesByPath.get(urlPath);
  }

  #getProject(name: string): HeldProject {
    const project = this.findProject(name);
    if (project === undefined) throw new Error(`the sample upstream has no project ${name}`);
    return project;
  }

  #getRelease(name: string, version: string): { project: HeldProject; release: HeldRelease } {
    const project = this.#getProject(name);
    const release = project.releases.get(version);
    if (release === undefined) throw new Error(`${name} has no version ${version}`);
    return { project, release };
  }

  #record(project: HeldProject, version: string | null, action: string): void {
    this.#serial += SERIAL_STEP;
    project.lastSerial = this.#serial;
    const at = Math.floor(Date.now() / 1000);
    this.changelog.push({ name: project.name, version, at, action, serial: this.#serial });
  }
}

/** Versions in PEP 440 order, oldest first. */
export const releasesInOrder = (project: HeldProject): HeldRelease[] =>
  [...project.releases.values()].sort((a, b) => compareVersions(a.version, b.version));
