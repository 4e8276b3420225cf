/**
 * The search of the packages page: results as one types, the query in the address, and the keys of a list. The
 * page's own lists stand where nothing is asked for, and where there is no script.
 */
import { countText } from "./words.js";

/** @typedef {{ name: string, lately: number, ever: number }} Hit */

const form = /** @type {HTMLFormElement} */ (document.getElementById("search"));
const input = /** @type {HTMLInputElement} */ (document.getElementById("q"));
const said = /** @type {HTMLElement} */ (document.getElementById("said"));
const list = /** @type {HTMLElement} */ (document.getElementById("results"));
const browse = /** @type {HTMLElement} */ (document.getElementById("browse"));

/** @type {Worker | undefined} */
let worker;
let asked = 0;
let shown = 0;
/** Enter was pressed before the results were there. */
let isOpening = false;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let addressTimer;

function search() {
  const query = input.value;
  clearTimeout(addressTimer);
  addressTimer = setTimeout(() => {
    const address = new URL(location.href);
    if (query.trim() === "") address.searchParams.delete("q");
    else address.searchParams.set("q", query);
    history.replaceState(null, "", address);
  }, 250);
  asked += 1;
  if (query.trim() === "") return show("", [], "");
  if (shown === 0) said.textContent = "Loading the list of names…";
  ask(query);
}

/** @param {string} query */
function ask(query) {
  worker ??= start();
  worker.postMessage({ number: asked, query });
}

function start() {
  const started = new Worker(new URL("./search-worker.js", import.meta.url), { type: "module" });
  started.addEventListener("message", ({ data }) => {
    // Something else was typed since: its answer comes.
    if (data.number !== asked) return;
    if (data.failure !== undefined) return fail(started, data.failure);
    shown += 1;
    show(data.query, data.hits, sentence(data));
  });
  started.addEventListener("error", () => fail(started, "the search could not be started"));
  return started;
}

/** The next letter tries again. @param {Worker} failed @param {string} why */
function fail(failed, why) {
  failed.terminate();
  if (worker === failed) worker = undefined;
  shown = 0;
  isOpening = false;
  show("", [], `Nothing can be searched: ${why}.`);
}

/** @param {{ query: string, hits: Hit[], isMore: boolean, size: number }} answer */
function sentence({ query, hits, isMore, size }) {
  if (query === "") return "";
  if (hits.length === 0)
    return `None of ${countText(size)} packages with a wheel here has “${query}” in its name.`;
  if (isMore) return `The first ${hits.length} packages; type more to see others.`;
  return hits.length === 1 ? "1 package" : `${hits.length} packages`;
}

/** @param {string} query @param {Hit[]} hits @param {string} words */
function show(query, hits, words) {
  list.replaceChildren(...hits.map((hit) => itemOf(hit, query)));
  browse.hidden = query !== "";
  if (said.textContent !== words) said.textContent = words;
  if (query !== "" && hits.length === 0) {
    const link = document.createElement("a");
    link.href = projectPath(query);
    link.textContent = "Its page, if the farm knows it";
    said.append(" ", link);
  }
  list.dataset["query"] = query;
  if (isOpening && query !== "") {
    isOpening = false;
    open();
  }
}

/** @param {string} name */
const projectPath = (name) => `/project/${encodeURIComponent(name)}/`;

/** @param {Hit} hit @param {string} query */
function itemOf({ name, lately }, query) {
  const item = document.createElement("li");
  const link = document.createElement("a");
  link.href = projectPath(name);
  const at = name.startsWith(query)
    ? 0
    : Math.max(name.indexOf(`-${query}`) + 1, 0) || name.indexOf(query);
  if (at < 0) link.textContent = name;
  else {
    const found = document.createElement("mark");
    found.textContent = name.slice(at, at + query.length);
    link.append(name.slice(0, at), found, name.slice(at + query.length));
  }
  const count = document.createElement("span");
  count.className = "quiet";
  count.textContent = lately === 1 ? "1 download" : `${countText(lately)} downloads`;
  item.append(link, " ", count);
  return item;
}

function open() {
  const first = list.querySelector("a");
  if (first !== null) location.assign(first.href);
}

/** @param {Element | null | undefined} element */
const focus = (element) => element instanceof HTMLElement && element.focus();

input.addEventListener("input", search);
// The list is on its way before the first letter.
input.addEventListener("focus", () => {
  worker ??= start();
});
form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (input.value.trim() === "") return;
  // Results of what was typed before are not what is meant.
  isOpening = true;
  asked += 1;
  ask(input.value);
});
document.addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  /** @type {(Element | null)[]} */
  const links = [...list.querySelectorAll("a")];
  const at = links.indexOf(document.activeElement);
  const isInList = at >= 0;
  if (event.key === "ArrowDown" && (isInList || document.activeElement === input)) {
    focus(links[Math.min(at + 1, links.length - 1)]);
  } else if (event.key === "ArrowUp" && isInList) {
    focus(at === 0 ? input : links[at - 1]);
  } else if (event.key === "Escape" && (isInList || document.activeElement === input)) {
    input.value = "";
    input.focus();
    search();
  } else if (event.key === "/" && document.activeElement !== input) {
    input.focus();
  } else return;
  event.preventDefault();
});

function takeAddress() {
  input.value = new URL(location.href).searchParams.get("q") ?? "";
  if (input.value !== "") search();
}
takeAddress();
addEventListener("popstate", takeAddress);
