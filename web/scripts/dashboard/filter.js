/** Shows of a list only what has all the words that were typed, also of what comes later. */

const input = document.getElementById("filter");

export function applyFilter() {
  if (!(input instanceof HTMLInputElement)) return;
  const list = document.querySelector(`[data-list="${input.dataset["filters"]}"]`);
  const words = input.value
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== "");
  for (const row of list?.children ?? []) {
    if (!(row instanceof HTMLElement)) continue;
    const text = (row.textContent ?? "").toLowerCase();
    const kind = row.dataset["kind"] ?? "";
    row.hidden = !words.every((word) => text.includes(word) || kind === word);
  }
}

input?.addEventListener("input", applyFilter);
