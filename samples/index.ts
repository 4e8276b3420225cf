/** The front door of the sample upstream: everything that `piw farm`, tests and benches use of it. */
export type {
  Misbehaviour,
  RequestHook,
  SampleRequest,
  SampleResponse,
} from "./misbehaviour.ts";
export type { SampleFileInput } from "./sample-file.ts";
export type { ChangelogRow, HeldFile } from "./sample-index.ts";
export { sampleProjects, YANK_REASON } from "./sample-projects.ts";
export {
  type SampleUpstream,
  type SampleUpstreamOptions,
  startSampleUpstream,
} from "./sample-upstream.ts";
export { packSdist } from "./sdist.ts";
export type { SourceEntry } from "./tar-archive.ts";
export { changelogResponse, fault } from "./xml-rpc.ts";
