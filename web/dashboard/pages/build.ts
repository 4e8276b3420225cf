/** One build: what is known of it, and its log as it is said. */
import type { LoggedBuild } from "../../../protocol/model/build-log.ts";
import { type Cause, causes, causeText } from "../../../protocol/model/cause.ts";
import { type Html, html } from "../../html.ts";
import { toneOf } from "../../pages/words.ts";
import { projectLink, toned } from "../words.ts";

const phases: Readonly<Record<LoggedBuild["phase"], string>> = {
  running: "building",
  ended: "ended",
  lost: "ended without a result",
};

const isCause = (cause: string | null): cause is Cause => causes.some((each) => each === cause);

/** As the page shows it, and as it is sent when it changes. */
export const buildFacts = ({ target, slave, phase, cause }: LoggedBuild): Html =>
  html`${phase === "running" ? toned({ name: "busy", sign: "▸" }, phases.running) : isCause(cause) ? toned(toneOf(cause), causeText[cause]) : toned({ name: "calm", sign: "–" }, phases[phase])} for ${target} on ${slave}`;

/** @param build undefined: the master could not say; the script asks on */
export function buildBody(token: number, build: LoggedBuild | null): Html {
  const title =
    build === null ? html`Build ${token}` : html`${projectLink(build.package)} ${build.version}`;
  const kept =
    build === null ? "/" : `/log.html?build=${token}&project=${encodeURIComponent(build.package)}`;
  return html`<h1>${title}</h1>
<p class="lead" id="build-facts">${build === null ? undefined : buildFacts(build)}</p>
<p><span id="log-state" role="status">The log is shown by a script, which has not run.</span> <a id="kept-log" href="${kept}" hidden>The whole log, with a search</a></p>
<p class="log-tools"><label><input type="checkbox" id="follow" checked> Follow its end</label></p>
<pre id="live-log" class="live-log" data-url="/farm/builds/${token}/log" tabindex="0" role="region" aria-label="The log"></pre>`;
}
