/**
 * `/badge/NAME.svg`: the state of a project's newest release as a picture for a README. Drawn with system fonts and
 * without script, so that it shows wherever an image does; the text is fitted to a width that is known beforehand.
 */
import type { ProjectPage, ProjectRelease } from "../../protocol/model/project-page.ts";
import { type Html, html } from "../html.ts";

export type BadgeTone = "good" | "partly" | "bad" | "busy" | "calm";

export interface Badge {
  readonly text: string;
  readonly tone: BadgeTone;
}

/** White stands out from each by 4.5 to 1 or more. */
const colours: Readonly<Record<BadgeTone, string>> = {
  good: "#1c6b3a",
  partly: "#7d5a06",
  bad: "#b02a30",
  busy: "#1f5199",
  calm: "#5b626d",
};

const served = new Set(["built", "imported", "covered", "upstream"]);
const LABEL = "wheels";

/**
 * Of the newest release that is to be built: neither yanked, skipped nor unwanted; a pre-release only where there is
 * nothing else.
 * @param releases newest first
 */
export function badgeOf(
  page: Pick<ProjectPage, "targets" | "skipReason">,
  releases: readonly ProjectRelease[],
): Badge {
  const usable = releases.filter(
    ({ yanked, skipReason, isWanted, files }) =>
      yanked === null && ((skipReason === null && isWanted) || files.length > 0),
  );
  const release = usable.find(({ isPrerelease }) => !isPrerelease) ?? usable[0];
  if (release === undefined || page.skipReason !== null) return { text: "not built", tone: "calm" };
  const live = new Set(
    page.targets.filter(({ skipReason }) => skipReason === null).map(({ name }) => name),
  );
  const builds = release.builds.filter(
    ({ target, state }) => state !== "excluded" && (live.has(target) || served.has(state)),
  );
  const good = builds.filter(({ state }) => served.has(state)).length;
  const has = (...states: readonly string[]) => builds.some(({ state }) => states.includes(state));
  const version = short(release.version);
  if (good > 0 && good === builds.length)
    return { text: `${version} ${good === 1 ? "built" : `for all ${good} targets`}`, tone: "good" };
  if (good > 0)
    return { text: `${version} for ${good} of ${builds.length} targets`, tone: "partly" };
  if (has("leased")) return { text: `${version} building`, tone: "busy" };
  if (has("ready", "waiting")) return { text: `${version} queued`, tone: "busy" };
  if (has("blocked")) return { text: `${version} blocked`, tone: "partly" };
  if (has("failed")) return { text: `${version} failed`, tone: "bad" };
  return { text: `${version} not built`, tone: "calm" };
}

/** A version may be 200 characters long; a badge may not. */
const short = (version: string): string =>
  version.length > 24 ? `${version.slice(0, 23)}…` : version;

const HEIGHT = 20;
const PADDING = 6;

export function renderBadge(project: string, { text, tone }: Badge): string {
  const title = `${project}: ${LABEL} ${text}`;
  const [left, right] = [widthOf(LABEL) + 2 * PADDING, widthOf(text) + 2 * PADDING];
  const width = left + right;
  return html`<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${HEIGHT}" viewBox="0 0 ${width} ${HEIGHT}" role="img" aria-labelledby="t"><title id="t">${title}</title>
<clipPath id="c"><rect width="${width}" height="${HEIGHT}" rx="3"/></clipPath>
<g clip-path="url(#c)"><rect width="${left}" height="${HEIGHT}" fill="#33373d"/><rect x="${left}" width="${right}" height="${HEIGHT}" fill="${colours[tone]}"/></g>
<g fill="#fff" font-family="Verdana,DejaVu Sans,Geneva,sans-serif" font-size="11" aria-hidden="true">
${label(LABEL, PADDING)}${label(text, left + PADDING)}</g>
</svg>
`.text;
}

const label = (text: string, x: number): Html =>
  html`<text x="${x}" y="14" textLength="${widthOf(text)}" lengthAdjust="spacingAndGlyphs">${text}</text>
`;

/** Of a text in Verdana 11, roughly: `textLength` makes it so in any other font. */
function widthOf(text: string): number {
  let width = 0;
  for (const character of text)
    width += /[ .,:'il!|jtf1]/.test(character) ? 4.6 : /[mwMW@…]/.test(character) ? 10 : 7;
  return Math.ceil(width);
}
