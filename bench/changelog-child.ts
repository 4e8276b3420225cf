/**
 * The index of the bench `upstream`, in a process of its own: a sample upstream that answers for the changelog
 * with rows made before. Started by `upstream/changelog-process.ts`; ends when its channel closes.
 */
import { startSampleUpstream } from "../samples/index.ts";
import { changelogResponse } from "../samples/xml-rpc.ts";
import { EVENTS, EVENTS_AN_ANSWER, eventsFrom, startAfter } from "./upstream/events.ts";

/** Written out before anything is measured: what the server costs is not the question. */
const answers = new Map<number, Buffer>();
for (let start = 0; start <= EVENTS; start += EVENTS_AN_ANSWER)
  answers.set(start, Buffer.from(changelogResponse(eventsFrom(start))));

const upstream = await startSampleUpstream({ files: [] });
upstream.onRequest = ({ body }) => {
  const serial = /<int>(\d+)<\/int>/.exec(body)?.[1];
  if (!body.includes("changelog_since_serial") || serial === undefined) return undefined;
  const start = startAfter(Number(serial));
  const text = answers.get(start) ?? changelogResponse(eventsFrom(start));
  return { kind: "answer", answer: { headers: { "content-type": "text/xml" }, body: text } };
};
process.once("disconnect", () => process.exit());
process.send?.({ url: upstream.url });
