/**
 * Keeps the numbers and the last builds of the home page up to date from /farm.json, while somebody looks. The
 * server answers 304 while nothing is new, so asking costs next to nothing.
 */
import { countText, durationText, instantText, sizeText } from "./words.js";

const EVERY_MS = 10_000;
const live = document.getElementById("live");
const rows = document.querySelector("#builds tbody");

/** @type {Record<string, (value: any) => string>} */
const words = { size_bytes: sizeText, as_of: instantText };

/** @param {any} farm @param {string} path */
const figureOf = (farm, path) => path.split(".").reduce((value, name) => value?.[name], farm);

/** @param {any} farm */
function showNumbers(farm) {
  for (const element of document.querySelectorAll("[data-figure]")) {
    const path = element.getAttribute("data-figure") ?? "";
    const value = figureOf(farm, path);
    if (value === undefined) continue;
    const text = (words[path] ?? countText)(value);
    if (element.textContent === text) continue;
    element.textContent = text;
    if (path !== "as_of") mark(element.closest("div") ?? element);
  }
}

/** @param {Element} element */
function mark(element) {
  element.classList.add("changed");
  element.addEventListener("animationend", () => element.classList.remove("changed"), {
    once: true,
  });
}

/** @type {Record<string, string>} */
const signs = { good: "✓", bad: "✗", busy: "○", calm: "–" };

/**
 * @param {string} tag
 * @param {string | null} text
 * @param {Record<string, string>} attributes
 */
function made(tag, text, attributes = {}) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== null) element.textContent = text;
  return element;
}

/** The same row that the page was written with: web/pages/home-page.ts. @param {any} build */
function rowOf(build) {
  const row = made("tr", null, { "data-build": String(build.build) });
  const title = made("th", null, { scope: "row", class: "wrap" });
  const project = `/project/${encodeURIComponent(build.package)}/`;
  title.append(made("a", build.package, { href: project }), ` ${build.version}`);
  const outcome = made("td", null, { class: "outcome" });
  const tone = Object.hasOwn(signs, build.tone) ? build.tone : "calm";
  const state = made("span", null, { class: `state ${tone}` });
  state.append(made("span", signs[tone] ?? "", { "aria-hidden": "true" }), ` ${build.outcome}`);
  outcome.append(state);
  if (build.message !== "") outcome.append(" ", made("span", build.message, { class: "quiet" }));
  const log = made("td", null);
  if (typeof build.log === "string" && build.log.startsWith("/logs/")) {
    const label = `Log of ${build.package} ${build.version}, ${build.target}`;
    log.append(made("a", "log", { href: build.log, "aria-label": label }));
  }
  row.append(
    title,
    outcome,
    made("td", build.target),
    made("td", durationText(build.duration_ms)),
    made("td", instantText(build.ended)),
    log,
  );
  return row;
}

/** Rows that are there stay, so that who reads or has the focus in one keeps it. @param {any[]} builds */
function showBuilds(builds) {
  if (rows === null || builds.length === 0) return;
  const known = new Map([...rows.children].map((row) => [row.getAttribute("data-build"), row]));
  const wasEmpty = known.has(null);
  const wanted = builds.map((build) => {
    const old = known.get(String(build.build));
    // A log comes a moment after its build.
    if (old !== undefined && (build.log === null || old.querySelector("td:last-child a") !== null))
      return old;
    const row = rowOf(build);
    if (old === undefined && !wasEmpty) mark(row);
    return row;
  });
  for (const row of [...rows.children]) if (!wanted.includes(row)) row.remove();
  wanted.forEach((row, index) => {
    const there = rows.children[index];
    if (there !== row) rows.insertBefore(row, there ?? null);
  });
}

let isAsking = false;
async function ask() {
  if (document.visibilityState !== "visible" || isAsking) return;
  isAsking = true;
  try {
    const answer = await fetch("/farm.json", {
      cache: "no-cache",
      signal: AbortSignal.timeout(EVERY_MS),
    });
    if (!answer.ok) throw new Error(`${answer.status}`);
    const farm = await answer.json();
    showNumbers(farm);
    showBuilds(farm.recent_builds);
    if (live !== null && live.textContent !== LIVE) live.textContent = LIVE;
  } catch {
    if (live !== null) live.textContent = "The farm does not answer; these numbers may be old.";
  } finally {
    isAsking = false;
  }
}
const LIVE = "Kept up to date while you look.";

setInterval(ask, EVERY_MS);
document.addEventListener("visibilitychange", ask);
void ask();
