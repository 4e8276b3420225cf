/** A running sample upstream with a client that follows it, for the tests of this folder; both end with the test. */
import { gzipSync } from "node:zlib";
import { onTestFinished } from "vitest";
import {
  UpstreamClient,
  type UpstreamClientOptions,
} from "../../../protocol/upstream/upstream-client.ts";
import { UpstreamError } from "../../../protocol/upstream/upstream-error.ts";
import {
  type Misbehaviour,
  packSdist,
  type SampleFileInput,
  type SampleUpstream,
  type SampleUpstreamOptions,
  startSampleUpstream,
} from "../../../samples/index.ts";

export const never: AbortSignal = new AbortController().signal;

/** An sdist that holds nothing but its metadata. */
export function emptySdist(name: string, version: string, headers = ""): SampleFileInput {
  const stem = `${name}-${version}`;
  const pkgInfo = `Metadata-Version: 2.1\nName: ${name}\nVersion: ${version}\n${headers}`;
  const contents = packSdist([{ path: "PKG-INFO", data: Buffer.from(pkgInfo) }], stem);
  return { filename: `${stem}.tar.gz`, contents };
}

export async function startUpstream(
  options: SampleUpstreamOptions = { files: [emptySdist("foo", "1.0")] },
): Promise<SampleUpstream> {
  const upstream = await startSampleUpstream(options);
  onTestFinished(() => upstream.close());
  return upstream;
}

export function clientOf(
  upstream: SampleUpstream,
  options: Partial<UpstreamClientOptions> = {},
): UpstreamClient {
  const { xmlrpcUrl, simpleUrl, jsonUrl } = upstream;
  const client = new UpstreamClient({
    xmlrpcUrl,
    simpleUrl,
    jsonUrl,
    userAgent: "wheelwright-test/1",
    timeoutMs: 5_000,
    ...options,
  });
  onTestFinished(() => client.close());
  return client;
}

/** An upstream that answers everything in one wrong way, and its client. */
export async function misbehaving(
  misbehaviour: Misbehaviour,
  options: Partial<UpstreamClientOptions> = {},
): Promise<UpstreamClient> {
  const upstream = await startUpstream();
  upstream.onRequest = () => misbehaviour;
  return clientOf(upstream, options);
}

/** An upstream whose every answer is this text of that type, and its client. */
export const answering = (
  contentType: string,
  body: string,
  options: Partial<UpstreamClientOptions> = {},
): Promise<UpstreamClient> =>
  misbehaving(
    { kind: "answer", answer: { headers: { "content-type": contentType }, body } },
    options,
  );

/** The error of a promise that must fail with an UpstreamError; anything else fails the test. */
export async function errorOf(promise: Promise<unknown>): Promise<UpstreamError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof UpstreamError) return error;
    throw new Error(`not an UpstreamError: ${String(error)}`, { cause: error });
  }
  throw new Error("it did not fail");
}

export const gzipped = (text: string): Buffer => gzipSync(text);

/** Cut into pieces of that length, as a network would. */
export async function* inPieces(text: string, length: number): AsyncGenerator<string> {
  for (let at = 0; at < text.length; at += length) yield text.slice(at, at + length);
}
