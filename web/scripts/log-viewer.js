/**
 * `/log.html?build=TOKEN&project=NAME#L120-L130`: shows the log of a build. The log is read as it arrives and kept as
 * text; only what is on the screen is drawn (log-window.js), and only ever as text. What is said of the build comes
 * from the project's JSON, so that an address can say nothing about a build that is not so.
 */
import { LogText, linesOf, logPath } from "./log-text.js";
import { LogWindow } from "./log-window.js";

/** More text than any log has; what is beyond is in the raw log. */
const MOST_CHARACTERS = 400_000_000;
const MOST_FOUND = 20_000;
/** Between two pauses in which the browser may do something else. */
const STRETCH_MS = 12;

/**
 * @param {string} id
 * @returns {HTMLElement}
 */
function part(id) {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no ${id}`);
  return found;
}

/** @param {string} id */
function input(id) {
  const found = part(id);
  if (!(found instanceof HTMLInputElement)) throw new Error(`${id} is no input`);
  return found;
}

const pause = () => new Promise((resolve) => setTimeout(resolve));

/** @returns {import("./log-text.js").Patterns} */
function patternsOfPage() {
  const patterns = JSON.parse(part("log-viewer").dataset["patterns"] ?? "{}");
  /** @param {unknown} value */
  const read = (value) => new RegExp(.../** @type {[string, string]} */ (value));
  return {
    compilerError: read(patterns.compilerError),
    exception: read(patterns.exception),
    anyError: read(patterns.anyError),
    saysNothing: patterns.saysNothing.map(read),
  };
}

const query = new URLSearchParams(location.search);
const token = Number(query.get("build"));
const project = /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/.exec(query.get("project") ?? "")?.[0];

const log = new LogText(patternsOfPage());
const scroller = part("log");
let selected = linesOf(location.hash);
/** @type {number | undefined} The line that tells what went wrong. */
let told;
let isComplete = false;

const view = new LogWindow(
  { scroller, spacer: part("log-spacer"), rows: part("log-rows") },
  renderRow,
);

/* What is searched for. */
let wanted = "";
let isCaseKept = false;
/** @type {number[]} */
let found = [];
let searches = 0;

/** @param {number} number */
function renderRow(number) {
  const row = document.createElement("div");
  row.className = "row";
  if (selected !== undefined && number >= selected.from && number <= selected.to)
    row.classList.add("selected");
  if (number === told) row.classList.add("told");
  const link = document.createElement("a");
  link.className = "number";
  link.href = `#L${number}`;
  link.tabIndex = -1;
  link.textContent = String(number);
  const text = document.createElement("code");
  fill(text, log.line(number));
  row.append(link, text);
  return row;
}

/**
 * Puts a line into its row, with what is searched for marked.
 * @param {HTMLElement} element
 * @param {string} line
 */
function fill(element, line) {
  if (wanted === "") {
    element.textContent = line;
    return;
  }
  const searched = isCaseKept ? line : line.toLowerCase();
  // A few letters are longer in lower case: then the marks would be beside the words.
  const isMarked = searched.length === line.length;
  let from = 0;
  for (let at = searched.indexOf(wanted); isMarked && at !== -1; ) {
    const mark = document.createElement("mark");
    mark.textContent = line.slice(at, at + wanted.length);
    element.append(line.slice(from, at), mark);
    from = at + wanted.length;
    at = searched.indexOf(wanted, from);
  }
  element.append(line.slice(from));
}

/**
 * Selects lines and says so in the address, without a step in the history for each.
 * @param {number} from
 * @param {number} [to]
 */
function select(from, to = from) {
  const [first, last] = [Math.min(from, to), Math.max(from, to)];
  selected = { from: first, to: last };
  const hash = first === last ? `#L${first}` : `#L${first}-L${last}`;
  history.replaceState(null, "", `${location.pathname}${location.search}${hash}`);
  view.refresh();
}

/** @param {number} number */
function jumpTo(number) {
  view.hasMoved = true;
  select(number);
  view.show(number);
}

/** @param {string} text */
function say(text) {
  part("log-status").textContent = text;
}

/* ---- Reading ---- */

async function read() {
  part("log-without-script").hidden = true;
  if (!Number.isSafeInteger(token) || token <= 0) {
    say("This address names no build. Follow a link to a log from a project's page.");
    return;
  }
  const raw = part("log-raw");
  raw.setAttribute("href", logPath(token));
  raw.hidden = false;
  document.title = `Log of build ${token}`;
  part("log-title").textContent = `Log of build ${token}`;
  const facts = project === undefined ? undefined : readFacts(project);
  let response;
  try {
    response = await fetch(logPath(token));
  } catch {
    say("The log could not be fetched: the site did not answer. Load the page again to try again.");
    return;
  }
  if (!response.ok || response.body === null) {
    say(
      response.status === 404
        ? `There is no log of build ${token}: it was not kept, or it has not been published yet.`
        : `The log could not be fetched: the site answered with ${response.status}.`,
    );
    return;
  }
  part("log-viewer").classList.add("is-shown");
  const isWhole = await readBody(response.body);
  log.finish();
  isComplete = true;
  view.resize(log.length);
  const end = isWhole ? "" : " It is cut off here: the raw log has the rest.";
  say(log.length === 0 ? "The log is empty." : `${count(log.length)} lines.${end}`);
  showSelected();
  tell(await facts);
}

/**
 * @param {ReadableStream<Uint8Array<ArrayBuffer>>} body
 * @returns {Promise<boolean>} whether it was read to its end
 */
async function readBody(body) {
  const text = (await unpacked(body)).pipeThrough(new TextDecoderStream());
  const reader = text.getReader();
  let characters = 0;
  let pausedAt = performance.now();
  let drawnAt = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return true;
      characters += value.length;
      for (let from = 0; from < value.length; from += 65_536) {
        log.add(value.slice(from, from + 65_536));
        if (performance.now() - pausedAt < STRETCH_MS) continue;
        if (performance.now() - drawnAt > 250) {
          view.resize(log.length);
          say(`${count(log.length)} lines so far…`);
          showSelected();
          drawnAt = performance.now();
        }
        await pause();
        pausedAt = performance.now();
      }
      if (characters <= MOST_CHARACTERS) continue;
      await reader.cancel();
      return false;
    }
  } catch {
    return false;
  }
}

/**
 * Logs lie compressed. A server that does not say so sends them as they lie.
 * @param {ReadableStream<Uint8Array<ArrayBuffer>>} body
 * @returns {Promise<ReadableStream<Uint8Array<ArrayBuffer>>>}
 */
async function unpacked(body) {
  const reader = body.getReader();
  const first = await reader.read();
  /** @type {ReadableStream<Uint8Array<ArrayBuffer>>} */
  const whole = new ReadableStream({
    start(controller) {
      if (first.done) controller.close();
      else controller.enqueue(first.value);
    },
    async pull(controller) {
      const { done, value } = await reader.read();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel: (reason) => reader.cancel(reason),
  });
  const isGzip = !first.done && first.value[0] === 0x1f && first.value[1] === 0x8b;
  return isGzip ? whole.pipeThrough(new DecompressionStream("gzip")) : whole;
}

let hasShownSelected = false;
/** Lines that the address names, once they are there. */
function showSelected() {
  if (selected === undefined || hasShownSelected || view.hasMoved) return;
  if (log.length < selected.from && !isComplete) return;
  hasShownSelected = true;
  view.show(Math.min(selected.from, Math.max(1, log.length)));
}

/* ---- What is known of the build ---- */

/**
 * @typedef {object} Facts
 * @property {string} version
 * @property {string} target
 * @property {string} state
 * @property {string} cause
 * @property {string} message
 */

/**
 * @param {string} name
 * @returns {Promise<Facts | undefined>}
 */
async function readFacts(name) {
  try {
    const response = await fetch(`/project/${name}/json/`);
    if (!response.ok) return undefined;
    /** @type {{ releases: Record<string, { builds: Record<string, { log_url: string | null, state: string, cause: string | null, message: string }> }> }} */
    const json = await response.json();
    for (const [version, { builds }] of Object.entries(json.releases)) {
      for (const [target, build] of Object.entries(builds)) {
        if (build.log_url === null || !build.log_url.endsWith(logPath(token))) continue;
        const { state, message } = build;
        return { version, target, state, cause: build.cause ?? "", message };
      }
    }
  } catch {
    // The log can be read all the same.
  }
  return undefined;
}

/** @param {Facts | undefined} facts */
function tell(facts) {
  if (project !== undefined && facts !== undefined) {
    const link = document.createElement("a");
    link.href = `/project/${project}/`;
    link.textContent = project;
    /** @type {Record<string, string>} */
    const causes = JSON.parse(part("log-viewer").dataset["causes"] ?? "{}");
    const words = Object.hasOwn(causes, facts.cause) ? causes[facts.cause] : undefined;
    const outcome = words === undefined ? "" : `: ${words}`;
    part("log-about").replaceChildren(link, ` ${facts.version} for ${facts.target}${outcome}`);
    document.title = `Log of ${project} ${facts.version}, ${facts.target}`;
    part("log-title").textContent = `Log of ${project} ${facts.version}`;
  }
  const isBuilt = facts?.cause === "built";
  told = isBuilt ? undefined : (lineOfMessage(facts?.message ?? "") ?? log.tellingLine);
  if (told === undefined) return;
  const line = log.line(told).trim();
  part("log-told-text").textContent = line.length > 300 ? `${line.slice(0, 300)}…` : line;
  part("log-told-line").textContent = `line ${count(told)}`;
  part("log-told").hidden = false;
  const others = log.errors.filter((number) => number !== told).length;
  part("log-next-error").hidden = others === 0;
  if (selected === undefined && !view.hasMoved) view.show(told);
  view.refresh();
}

/**
 * The line that the build's message was taken from: the last one that says it.
 * @param {string} message
 */
function lineOfMessage(message) {
  const start = message.trim().slice(0, 200);
  if (start.length < 8) return undefined;
  let last;
  for (let number = 1; number <= log.length; number += 1_000) {
    log.blockOf(number).forEach((line, index) => {
      if (line.trimStart().startsWith(start)) last = number + index;
    });
  }
  return last;
}

/** @param {number} number */
const count = (number) => number.toLocaleString("en");

/* ---- Searching ---- */

async function search() {
  const text = input("log-search").value;
  searches += 1;
  const mine = searches;
  isCaseKept = /\p{Lu}/u.test(text);
  wanted = text;
  found = [];
  view.refresh();
  if (wanted === "") {
    part("log-found").textContent = "";
    return;
  }
  let pausedAt = performance.now();
  for (let number = 1; number <= log.length; number += 1_000) {
    const lines = log.blockOf(number);
    for (const [index, line] of lines.entries()) {
      if ((isCaseKept ? line : line.toLowerCase()).includes(wanted)) found.push(number + index);
      if (found.length >= MOST_FOUND) break;
    }
    if (found.length >= MOST_FOUND) break;
    if (performance.now() - pausedAt < STRETCH_MS) continue;
    await pause();
    if (mine !== searches) return;
    pausedAt = performance.now();
  }
  part("log-found").textContent =
    found.length === 0
      ? "not found"
      : `${count(found.length)}${found.length >= MOST_FOUND ? " or more" : ""} lines`;
}

/** @param {1 | -1} direction */
function step(direction, lines = found) {
  const here = selected?.from ?? view.first - 1;
  const next =
    direction === 1
      ? (lines.find((number) => number > here) ?? lines[0])
      : (lines.filter((number) => number < here).at(-1) ?? lines.at(-1));
  if (next !== undefined) jumpTo(next);
}

/* ---- What a person does ---- */

part("log-rows").addEventListener("click", (event) => {
  const link = event.target instanceof Element ? event.target.closest("a.number") : null;
  if (link === null || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  const number = Number(link.textContent);
  if (event.shiftKey && selected !== undefined) select(selected.from, number);
  else select(number);
});
addEventListener("hashchange", () => {
  selected = linesOf(location.hash);
  if (selected !== undefined) view.show(selected.from);
  view.refresh();
});
part("log-told-line").addEventListener("click", () => {
  if (told !== undefined) jumpTo(told);
});
part("log-next-error").addEventListener("click", () => step(1, log.errors));
part("log-start").addEventListener("click", () => view.show(1));
part("log-end").addEventListener("click", () => {
  view.hasMoved = true;
  view.showEnd();
});
part("log-search").addEventListener("input", () => void search());
part("log-previous").addEventListener("click", () => step(-1));
part("log-next").addEventListener("click", () => step(1));
part("log-search-form").addEventListener("submit", (event) => {
  event.preventDefault();
  step(1);
});
part("log-line-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const number = Math.min(Number(input("log-line").value), log.length);
  if (number > 0) jumpTo(number);
});

const copy = part("log-copy");
copy.hidden = navigator.clipboard === undefined;
copy.addEventListener("click", async () => {
  if (selected === undefined) select(view.first);
  try {
    await navigator.clipboard.writeText(location.href);
    part("log-copied").textContent = "Copied";
  } catch {
    part("log-copied").textContent =
      "The browser keeps its clipboard shut: copy the address above.";
  }
  setTimeout(() => {
    part("log-copied").textContent = "";
  }, 3_000);
});

/** @type {Record<string, () => void>} */
const keys = {
  n: () => step(1),
  N: () => step(-1),
  e: () => step(1, told === undefined ? log.errors : [told, ...log.errors].sort((a, b) => a - b)),
  g: () => view.show(1),
  G: () => view.showEnd(),
  "/": () => input("log-search").focus(),
};
addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target instanceof HTMLInputElement) {
    if (event.key === "Escape") scroller.focus();
    return;
  }
  if (event.target === scroller && (event.key === "Home" || event.key === "End")) {
    event.preventDefault();
    if (event.key === "Home") view.show(1);
    else view.showEnd();
    return;
  }
  const act = keys[event.key];
  if (act === undefined) return;
  event.preventDefault();
  view.hasMoved = true;
  act();
});

await read();
