/**
 * The part of a log that is on the screen: as many rows as fit, whatever the log's length, put where a list of all of
 * them would have them. Browsers draw nothing beyond some 30 million pixels, so a longer log scrolls in steps.
 */

/** As high as the list gets. */
const TALLEST_PX = 8_000_000;
/** Rows beyond the edges, so that a quick finger meets no gap. */
const MARGIN = 20;

/**
 * @typedef {object} WindowParts
 * @property {HTMLElement} scroller holds `spacer`
 * @property {HTMLElement} spacer as high as the list, holds `rows`
 * @property {HTMLElement} rows
 */

export class LogWindow {
  /** @type {WindowParts} */
  #parts;
  /** @type {(number: number) => HTMLElement} */
  #render;
  #length = 0;
  #rowPx = 20;
  #first = 1;
  #isDue = false;
  /** Somebody else than this class has scrolled. */
  hasMoved = false;

  /**
   * @param {WindowParts} parts
   * @param {(number: number) => HTMLElement} render a row, by the number of its line
   */
  constructor(parts, render) {
    this.#parts = parts;
    this.#render = render;
    parts.scroller.addEventListener("scroll", () => this.#draw(), { passive: true });
    for (const kind of ["wheel", "touchmove", "pointerdown", "keydown"])
      parts.scroller.addEventListener(kind, () => (this.hasMoved = true), { passive: true });
    parts.scroller.addEventListener(
      "wheel",
      (event) => {
        if (this.#scale <= 1 || event.deltaY === 0 || event.ctrlKey) return;
        event.preventDefault();
        const rows = event.deltaMode === 0 ? event.deltaY / this.#rowPx : event.deltaY;
        this.#goTo(this.#first + (Math.trunc(rows) || Math.sign(rows)));
      },
      { passive: false },
    );
    new ResizeObserver(() => this.refresh()).observe(parts.scroller);
  }

  get #scale() {
    return (this.#length * this.#rowPx) / TALLEST_PX;
  }
  get #rowsShown() {
    return Math.max(1, Math.floor(this.#parts.scroller.clientHeight / this.#rowPx));
  }

  /** The first line that is wholly to be seen. */
  get first() {
    return this.#first;
  }
  get last() {
    return Math.min(this.#length, this.#first + this.#rowsShown - 1);
  }

  /** @param {number} length of the log as it is now */
  resize(length) {
    this.#length = length;
    this.#measure();
    this.refresh();
  }

  /** Draws all rows anew, soon: something about them has changed. */
  refresh() {
    if (this.#isDue) return;
    this.#isDue = true;
    requestAnimationFrame(() => {
      this.#isDue = false;
      this.#measure();
      const whole = Math.min(this.#length * this.#rowPx, TALLEST_PX);
      this.#parts.spacer.style.height = `${whole}px`;
      this.#draw();
    });
  }

  /**
   * Brings a line into view, a third from the top where it is not there already.
   * @param {number} number
   */
  show(number) {
    if (number > this.#first + 1 && number < this.last - 1) this.refresh();
    else this.#goTo(number - Math.floor(this.#rowsShown / 3));
  }

  showEnd() {
    this.#goTo(this.#length);
  }

  /** How high a row is depends on the reader's fonts: one that is drawn tells it. */
  #measure() {
    const { rows } = this.#parts;
    if (rows.firstElementChild === null && this.#length > 0) rows.append(this.#render(1));
    const height = rows.firstElementChild?.getBoundingClientRect().height ?? 0;
    if (height > 0) this.#rowPx = height;
  }

  /** @param {number} wanted */
  #goTo(wanted) {
    this.#measure();
    const lastFirst = Math.max(1, this.#length - this.#rowsShown + 1);
    const first = Math.min(Math.max(1, wanted), lastFirst);
    const whole = Math.min(this.#length * this.#rowPx, TALLEST_PX);
    this.#parts.spacer.style.height = `${whole}px`;
    const { scroller } = this.#parts;
    if (this.#scale <= 1) scroller.scrollTop = (first - 1) * this.#rowPx;
    else {
      const room = whole - scroller.clientHeight;
      scroller.scrollTop = lastFirst === 1 ? 0 : ((first - 1) / (lastFirst - 1)) * room;
      this.#exact = { top: scroller.scrollTop, first };
    }
    if (first === lastFirst) scroller.scrollTop = whole;
    if (this.#exact !== undefined) this.#exact.top = scroller.scrollTop;
    this.#draw();
  }

  /** @type {{ top: number, first: number } | undefined} Which line a place was meant for, where many share it. */
  #exact;

  #firstAt() {
    const { scroller } = this.#parts;
    if (this.#scale <= 1) return Math.floor(scroller.scrollTop / this.#rowPx + 0.01) + 1;
    if (this.#exact !== undefined && Math.abs(this.#exact.top - scroller.scrollTop) < 1)
      return this.#exact.first;
    const room = Math.min(this.#length * this.#rowPx, TALLEST_PX) - scroller.clientHeight;
    const lastFirst = Math.max(1, this.#length - this.#rowsShown + 1);
    return Math.round((scroller.scrollTop / Math.max(1, room)) * (lastFirst - 1)) + 1;
  }

  #draw() {
    const { rows, scroller } = this.#parts;
    this.#first = Math.max(1, this.#firstAt());
    const from = Math.max(1, this.#first - MARGIN);
    const to = Math.min(this.#length, this.#first + this.#rowsShown + MARGIN);
    const drawn = document.createDocumentFragment();
    for (let number = from; number <= to; number += 1) drawn.append(this.#render(number));
    rows.replaceChildren(drawn);
    const top =
      this.#scale <= 1
        ? (from - 1) * this.#rowPx
        : scroller.scrollTop - (this.#first - from) * this.#rowPx;
    rows.style.transform = `translateY(${top}px)`;
  }
}
