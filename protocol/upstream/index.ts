/** The front door of the upstream's protocols: the client, what it answers, and the error that it throws. */
export type { ChangelogEvent } from "./changelog.ts";
export { environmentAgent } from "./environment-agent.ts";
export type { ListedProject } from "./simple-json.ts";
export {
  UpstreamClient,
  type UpstreamClientOptions,
  type UpstreamDescription,
  type UpstreamListing,
} from "./upstream-client.ts";
export { UpstreamError, type UpstreamErrorCode } from "./upstream-error.ts";
export type { UpstreamFile, UpstreamProject, Validators } from "./upstream-project.ts";
export { userAgent } from "./user-agent.ts";
