/** Help: how to install from the farm, what its words mean, and why something is not there. */
import { type Html, html } from "../html.ts";
import { layout } from "./layout.ts";
import { indexUrlOf, pipOptionsFor, type Site, uvOptionsFor } from "./site.ts";
import { stateWords } from "./words.ts";

export const FAQ_PAGE_KEY = "faq.html";

export function renderFaqPage(site: Site): string {
  const questions = questionsOf(site);
  return layout(
    site,
    "Help",
    html`<h1>Help</h1>
<ul class="contents">${questions.map(({ id, question }) => html`<li><a href="#${id}">${question}</a></li>\n`)}</ul>
<div class="prose">
${questions.map(({ id, question, answer }) => html`<h2 id="${id}">${question}</h2>\n${answer}\n`)}</div>`,
    { path: "/faq.html", description: `How to install from ${site.name}, and what its pages say.` },
  );
}

interface Question {
  readonly id: string;
  readonly question: string;
  readonly answer: Html;
}

const command = (text: string): Html => html`<pre class="command"><code>${text}</code></pre>`;

function questionsOf(site: Site): readonly Question[] {
  const url = indexUrlOf(site);
  const { hostname, protocol } = new URL(url);
  const isTrustNeeded = pipOptionsFor(site).includes("--trusted-host");
  return [
    {
      id: "install",
      question: "How do I install from here?",
      answer: html`<p>For once, name the index on the command line:</p>
${command(`pip install ${pipOptionsFor(site)} PACKAGE`)}
${command(`uv pip install ${uvOptionsFor(site)} PACKAGE`)}
<p>For all that pip does on a machine, in <code>/etc/pip.conf</code> or <code>~/.config/pip/pip.conf</code>:</p>
${command(`[global]\nindex-url = ${url}${isTrustNeeded ? `\ntrusted-host = ${hostname}` : ""}`)}
<p>For a project that uses uv, in <code>pyproject.toml</code>:</p>
${command(`[[tool.uv.index]]\nname = "farm"\nurl = "${url}"\ndefault = true`)}
${protocol === "http:" ? html`<p class="notice">This site is reached without TLS. On a network that others use, put a proxy with a certificate before it.</p>` : undefined}`,
    },
    {
      id: "beside",
      question: "Can I use it beside another index?",
      answer: html`<p>Yes, but know what your installer does then. pip looks at all indexes and takes the highest version, wherever it is. A stranger who publishes a higher version of your package elsewhere is then installed:</p>
${command(`pip install --extra-index-url ${url} PACKAGE`)}
<p>uv takes all of a package from the first index that has it, so it may find older versions here than elsewhere. To have it look at all of them:</p>
${command(`uv pip install --index ${url} --index-strategy unsafe-best-match PACKAGE`)}`,
    },
    {
      id: "missing",
      question: "Why is a package or a version not here?",
      answer: html`<p>Its page says why: search for its name under <a href="/packages.html">Packages</a>, or go to <code>/project/NAME/</code>. Each version has a state for each target:</p>
<dl class="words">
${Object.values(stateWords).map(({ text, tone }) => html`<div><dt class="state ${tone.name}"><span aria-hidden="true">${tone.sign}</span> ${text}</dt><dd>${stateMeanings[text] ?? ""}</dd></div>\n`)}</dl>`,
    },
    {
      id: "when",
      question: "When will it be built?",
      answer: html`<p>The <a href="/queue.html">queue</a> shows what comes next for each target, with its place and about when. The estimate is the place divided by how many builds ended in the last hour, so it moves when slaves come or go.</p>`,
    },
    {
      id: "failed",
      question: "A build failed. What can I do?",
      answer: html`<p>Read its log: the page of the project links to it. What a build needs beyond Python, compilers and headers for example, must be on the slaves; tell whoever runs this farm. A failure of a machine or of the network is tried again by itself; a failure of the package is not, until there is a new version or somebody asks for it.</p>`,
    },
    {
      id: "libraries",
      question: "A wheel is installed and cannot be loaded. Why?",
      answer: html`<p>Wheels built here use the libraries of the system instead of copies. The page of a project names the packages of the system that its wheels need.</p>`,
    },
    {
      id: "trust",
      question: "How do I know that a file is what was built?",
      answer: html`<p>A published file never changes: a name stands for one content, for ever. Its SHA-256 is on the page of the project and in the index, and pip checks it. For a lock file with hashes, use the index as it is; hashes from other indexes are of other files.</p>`,
    },
    {
      id: "follow",
      question: "How do I hear of new builds?",
      answer: html`<p>There are Atom feeds of <a href="/feeds/builds.xml">the last builds</a> and of <a href="/feeds/failures.xml">the last failures</a>, and <a href="/json.html">an API</a> for programs.</p>`,
    },
  ];
}

const stateMeanings: Readonly<Record<string, string>> = {
  built: "A wheel was built for this target.",
  imported: "A wheel was built elsewhere and brought in.",
  covered: "A wheel that was built for another target fits this one.",
  failed: "It was tried and cannot be built as it is.",
  blocked: "It needs a package that no index has, and goes on when that comes.",
  queued: "It waits for a slave.",
  building: "A slave is at it.",
  "will be retried": "A machine or the network failed, not the package.",
  skipped: "It is not built: the page says why.",
};
