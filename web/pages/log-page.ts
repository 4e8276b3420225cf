/**
 * `/log.html`: the one page that shows any build's log, with a script (web/scripts/log-viewer.js). It is the same for
 * all builds, so it is written once. Without the script it says where the plain log is.
 */
import { causeText } from "../../protocol/model/cause.ts";
import { tellingPatterns } from "../../protocol/model/telling-line.ts";
import { html } from "../html.ts";
import { layout } from "./layout.ts";
import type { Site } from "./site.ts";

const sourceOf = ({ source, flags }: RegExp) => [source, flags];

/** What the script finds an error by: the slaves' own patterns, which pick the message of a build. */
const patterns = JSON.stringify({
  compilerError: sourceOf(tellingPatterns.compilerError),
  exception: sourceOf(tellingPatterns.exception),
  anyError: sourceOf(tellingPatterns.anyError),
  saysNothing: tellingPatterns.saysNothing.map(sourceOf),
});

export const renderLogPage = (site: Site): string =>
  layout(
    site,
    "Build log",
    html`<h1 id="log-title">Build log</h1>
<p id="log-without-script" class="notice">This page shows a build's log with line numbers and a search, by a script that has not run. Without it follow the links on a project's page: there they lead to the log as plain text.</p>
<div id="log-viewer" class="log-viewer" data-patterns="${patterns}" data-causes="${JSON.stringify(causeText)}">
<p id="log-about" class="lead"></p>
<p><span id="log-status" role="status"></span> <a id="log-raw" href="/" hidden>The raw log</a></p>
<p id="log-told" class="told-note" hidden><strong>Probably this:</strong> <code id="log-told-text"></code> <button type="button" id="log-told-line"></button> <button type="button" id="log-next-error" hidden>Next error</button></p>
<div class="log-tools" role="group" aria-label="Find in the log">
<form id="log-search-form"><label>Search <input id="log-search" type="search" autocomplete="off" spellcheck="false"></label> <button type="button" id="log-previous" aria-label="Previous match">↑</button> <button type="submit" id="log-next" aria-label="Next match">↓</button> <span id="log-found" class="quiet" role="status"></span></form>
<form id="log-line-form"><label>Line <input id="log-line" type="text" inputmode="numeric" pattern="[0-9]*" autocomplete="off" size="7"></label> <button type="submit">Go</button></form>
<div><button type="button" id="log-start">Start</button> <button type="button" id="log-end">End</button> <button type="button" id="log-copy" hidden>Copy link</button> <span id="log-copied" class="quiet" role="status"></span></div>
</div>
<div id="log" class="log" tabindex="0" role="region" aria-label="The log, as much of it as fits"><div id="log-spacer"><div id="log-rows"></div></div></div>
<details class="quiet"><summary>Keys, and links to lines</summary><p>A line's number is a link to it; with Shift it makes a range. <kbd>/</kbd> searches, <kbd>n</kbd> and <kbd>N</kbd> go on and back, <kbd>e</kbd> goes to the next error, <kbd>g</kbd> and <kbd>G</kbd> to the start and the end. Colours are left out, and characters that control a terminal are shown as �.</p></details>
</div>`,
    { path: "/log.html", scripts: ["log-viewer.js"] },
  );
