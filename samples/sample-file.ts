/**
 * A file as the sample upstream takes it: its contents, and which release it belongs to, read from its
 * metadata and its name. Called by whoever publishes. It does not check that a wheel or an sdist is sound:
 * broken ones are what a test may want to serve.
 */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { type CoreMetadata, parseMetadata } from "../protocol/packaging/metadata.ts";
import { parseSdistFilename } from "../protocol/packaging/sdist-filename.ts";
import { inspectWheel } from "../protocol/packaging/wheel-archive.ts";
import { parseWheelFilename } from "../protocol/packaging/wheel-filename.ts";
import { findPkgInfo } from "./sdist.ts";

export interface SampleFile {
  /** As spelled. */
  readonly project: string;
  /** As written. */
  readonly version: string;
  readonly filename: string;
  readonly contents: Buffer;
  /** `source`, or the wheel's interpreter tag: what the changelog says between `add` and `file`. */
  readonly pythonTag: string;
  /** METADATA or PKG-INFO as it is; null where it is not known. */
  readonly metadataText: string | null;
  readonly metadata: CoreMetadata | null;
}

/** What one has to say of a file to publish it; what is left out is read from the file. */
export interface SampleFileInput {
  readonly filename: string;
  readonly contents: Buffer;
  readonly project?: string;
  readonly version?: string;
  /** A wheel that is published from memory has none unless it is given here. */
  readonly metadataText?: string;
}

/** @throws Error where neither the input, the metadata nor the file name says project and version. */
export function describeFile(input: SampleFileInput): SampleFile {
  const { filename, contents } = input;
  const wheel = parseWheelFilename(filename);
  const metadataText =
    input.metadataText ?? (wheel === undefined ? (findPkgInfo(contents) ?? null) : null);
  const metadata = metadataText === null ? null : findMetadata(metadataText);
  const project =
    input.project ?? metadata?.nameAsWritten ?? wheel?.nameAsWritten ?? guessProject(filename);
  const version =
    input.version ??
    metadata?.versionAsWritten ??
    wheel?.versionAsWritten ??
    parseSdistFilename(filename, project ?? "")?.versionAsWritten;
  if (project === undefined || version === undefined)
    throw new Error(`${filename} does not say which project and version it is of`);
  const pythonTag = wheel?.interpreter ?? "source";
  return { project, version, filename, contents, pythonTag, metadataText, metadata };
}

/**
 * The sdists and wheels that lie in a folder (not below it), in the order of their names.
 * @throws Error where one of them does not say what it is of.
 */
export async function readDistFolder(folder: string): Promise<SampleFile[]> {
  const names = (await readdir(folder)).filter((name) => /\.(whl|tar\.gz|zip|tgz)$/.test(name));
  const files: SampleFile[] = [];
  for (const filename of names.sort()) {
    const path = join(folder, filename);
    const contents = await readFile(path);
    const metadataText = filename.endsWith(".whl") ? await readWheelMetadata(path) : undefined;
    files.push(
      describeFile({ filename, contents, ...(metadataText === undefined ? {} : { metadataText }) }),
    );
  }
  return files;
}

/** Undefined for a wheel that is not sound, which is served all the same. */
async function readWheelMetadata(path: string): Promise<string | undefined> {
  try {
    return (await inspectWheel(path, { verifyHashes: false })).metadataText.toString("utf8");
  } catch {
    return undefined;
  }
}

function findMetadata(text: string): CoreMetadata | null {
  try {
    return parseMetadata(text);
  } catch {
    return null;
  }
}

/** The name of an sdist without PKG-INFO: what stands before the last dash. */
const guessProject = (filename: string): string | undefined => /^(.+)-[^-]+$/.exec(filename)?.[1];
