/** What is said where nothing is: `/404.html`, for any web server, and the farm's own answer. */
import { html } from "../html.ts";
import { layout } from "./layout.ts";
import type { Site } from "./site.ts";

export const renderNotFoundPage = (site: Pick<Site, "name">): string =>
  layout(
    { name: site.name, url: "" },
    "Not found",
    html`<h1>Nothing here</h1>
<p class="lead">The farm has no page or file of this name.</p>
<p>A project has a page under <code>/project/NAME/</code> once the farm knows it, and stands in
<a href="/simple/">the index</a> once it has a wheel.</p>
<p><a href="/">To the farm</a></p>`,
  );
