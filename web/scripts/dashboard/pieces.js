/**
 * Puts pieces of a page into their places (web/dashboard/piece.ts makes them). Their HTML comes from the farm's own
 * server, which escapes all that it did not write itself; the page's policy runs no script in them besides.
 */

/**
 * @typedef {object} Piece
 * @property {string} key
 * @property {string | null} list
 * @property {string} html
 */

/**
 * @param {Piece} piece
 * @returns {HTMLElement | undefined}
 */
function made({ html }) {
  const template = document.createElement("template");
  template.innerHTML = html;
  const element = template.content.firstElementChild;
  return element instanceof HTMLElement ? element : undefined;
}

/** @param {string} key */
const placeOf = (key) => document.querySelector(`[data-piece="${CSS.escape(key)}"]`);

/** @param {string} list */
const listOf = (list) => document.querySelector(`[data-list="${CSS.escape(list)}"]`);

const focusable = "a[href], button, input, select, summary, [tabindex]";

/**
 * In place of what was there under its key, with the focus where it was.
 * @param {Piece} piece
 */
export function put(piece) {
  const element = made(piece);
  if (element === undefined) return;
  const old = placeOf(piece.key);
  if (old?.outerHTML === element.outerHTML) return;
  const container = piece.list === null ? null : listOf(piece.list);
  // A page has not every list that its stream may come to tell of.
  if (old === null && container === null) return;
  const focused = old?.contains(document.activeElement)
    ? [...old.querySelectorAll(focusable)].indexOf(/** @type {Element} */ (document.activeElement))
    : -1;
  if (container === null) old?.replaceWith(element);
  else if (old !== null && old.getAttribute("data-place") === element.getAttribute("data-place"))
    old.replaceWith(element);
  else {
    old?.remove();
    insert(container, element);
  }
  if (old === null) mark(element);
  if (focused < 0) return;
  const again = element.querySelectorAll(focusable)[focused];
  if (again instanceof HTMLElement) again.focus({ preventScroll: true });
}

/** @param {string} key */
export function remove(key) {
  placeOf(key)?.remove();
}

/**
 * What is not among these is gone.
 * @param {readonly Piece[]} pieces all of the page
 */
export function keepOnly(pieces) {
  const keys = new Set(pieces.map(({ key }) => key));
  for (const element of document.querySelectorAll("[data-piece]")) {
    if (!keys.has(element.getAttribute("data-piece") ?? "")) element.remove();
  }
}

/**
 * By its order, in a list that is in order.
 * @param {Element} container
 * @param {Element} element
 */
function insert(container, element) {
  const order = element.getAttribute("data-place") ?? "";
  const rows = container.children;
  let [low, high] = [0, rows.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((rows[middle]?.getAttribute("data-place") ?? "") <= order) low = middle + 1;
    else high = middle;
  }
  container.insertBefore(element, rows[low] ?? null);
}

/** @param {Element} element */
function mark(element) {
  element.classList.add("changed");
  element.addEventListener("animationend", () => element.classList.remove("changed"), {
    once: true,
  });
}
