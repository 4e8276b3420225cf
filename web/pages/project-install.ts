/** How to install a project from the farm: commands to copy, and what the system must have first. */
import type {
  ChosenRelease,
  PackageManager,
  ProjectPage,
} from "../../protocol/model/project-page.ts";
import { type Html, html } from "../html.ts";
import { pipOptionsFor, type Site, uvOptionsFor } from "./site.ts";

/** The command goes before the names; `other`: there is no telling. */
const managers: Readonly<Record<Exclude<PackageManager, "other">, string>> = {
  apt: "sudo apt install",
  apk: "sudo apk add",
  dnf: "sudo dnf install",
  zypper: "sudo zypper install",
};

export function installation(page: ProjectPage, chosen: ChosenRelease, site: Site): Html {
  return html`<div class="ways">
<div><h3>pip</h3>${command(`pip install ${pipOptionsFor(site)} ${page.name}`)}</div>
<div><h3>uv</h3>${command(`uv pip install ${uvOptionsFor(site)} ${page.name}`)}</div>
</div>
${systemPackages(chosen)}`;
}

const command = (text: string): Html => html`<pre class="command"><code>${text}</code></pre>`;

function systemPackages({ version, systemPackages: systems }: ChosenRelease): Html | undefined {
  if (systems.length === 0) return undefined;
  return html`<h3>System packages</h3>
<p>The wheels of ${version} load shared libraries that the system has to have. Install them first:</p>
${systems.map(({ manager, os, names }) => {
  // Names come from the builder: what is no word must not become part of a command that is copied.
  const words = names.filter((name) => /^[A-Za-z0-9][A-Za-z0-9.+:_-]*$/.test(name));
  const list = words.join(" ");
  const where = os === "" ? "the system that they were built on" : os;
  return html`<p class="quiet">As on ${where}:</p>
${manager === "other" ? html`<p><code>${list}</code></p>` : command(`${managers[manager]} ${list}`)}
`;
})}`;
}
