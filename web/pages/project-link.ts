/** Links from one project to another: to the farm's own page where it has one, else to upstream's. */
import { isValidName } from "../../protocol/packaging/canonical-name.ts";
import { findWebUrl, type Html, html } from "../html.ts";

export interface LinkedProject {
  /** Canonical. */
  readonly name: string;
  /** What is shown, beginning with the name or not. */
  readonly text: string;
  readonly isHere: boolean;
}

/** Text alone where there is nowhere to lead: what is no name, or a farm that follows nothing. */
export function projectLink(
  { name, text, isHere }: LinkedProject,
  upstreamBase: string | null,
): Html {
  if (!isValidName(name)) return html`<code>${text}</code>`;
  if (isHere) return html`<a href="/project/${name}/"><code>${text}</code></a>`;
  const upstream = upstreamBase === null ? undefined : findWebUrl(`${upstreamBase}${name}/`);
  return upstream === undefined
    ? html`<code>${text}</code>`
    : html`<a class="away" href="${upstream}" rel="noopener nofollow" title="Upstream: the farm does not have it"><code>${text}</code></a>`;
}
