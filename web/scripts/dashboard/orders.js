/**
 * Orders: a button carries one, which is sent when it is pressed, after a question where it is dangerous. What became of
 * it is said at the foot of the page, and stays until it is put away.
 */

const dialog = document.getElementById("confirm");
const answers = document.getElementById("answers");

/** Buttons are of no use before this has run. @param {ParentNode} root */
function show(root) {
  for (const button of root.querySelectorAll("button[data-order][hidden]"))
    button.removeAttribute("hidden");
}

/**
 * @param {string} question
 * @returns {Promise<boolean>}
 */
function confirmed(question) {
  if (!(dialog instanceof HTMLDialogElement)) return Promise.resolve(false);
  const text = document.getElementById("confirm-question");
  if (text !== null) text.textContent = question;
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

/**
 * @param {string} text
 * @param {"good" | "bad"} tone
 */
function say(text, tone) {
  const line = document.createElement("p");
  line.className = tone;
  const said = document.createElement("span");
  said.textContent = text;
  const away = document.createElement("button");
  away.type = "button";
  away.textContent = "×";
  away.setAttribute("aria-label", "Put this away");
  away.addEventListener("click", () => line.remove());
  line.append(said, away);
  answers?.append(line);
  while ((answers?.children.length ?? 0) > 5) answers?.firstElementChild?.remove();
}

/**
 * @param {string} order
 * @param {string} name
 */
async function send(order, name) {
  try {
    const response = await fetch("/farm/orders", {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Farm-Order": "1" },
      body: order,
      signal: AbortSignal.timeout(60_000),
    });
    if (response.status >= 500) throw new Error(await response.text());
    if (!response.ok) {
      say(`${name}: refused: ${(await response.text()).trim()}`, "bad");
      return;
    }
    const { isDone, text } = await response.json();
    say(
      `${name}: ${isDone ? "done" : "not done"}${text === "" ? "" : `: ${text}`}`,
      isDone ? "good" : "bad",
    );
  } catch {
    say(`${name}: the farm did not answer; whether it was done is not known.`, "bad");
  }
}

document.addEventListener("click", async (event) => {
  const button =
    event.target instanceof Element ? event.target.closest("button[data-order]") : null;
  if (!(button instanceof HTMLButtonElement)) return;
  const { order = "", question } = button.dataset;
  const name = button.getAttribute("aria-label") ?? button.textContent ?? "";
  if (question !== undefined && !(await confirmed(question))) return;
  button.disabled = true;
  await send(order, name);
  button.disabled = false;
});

const levels = document.getElementById("log-level");
if (levels instanceof HTMLFormElement) {
  levels.hidden = false;
  levels.addEventListener("submit", async (event) => {
    event.preventDefault();
    const form = new FormData(levels);
    const [task, level] = [String(form.get("task") ?? "").trim(), String(form.get("level") ?? "")];
    const order = {
      what: "log-level",
      task: task === "" ? null : task,
      level: level === "" ? null : level,
    };
    await send(JSON.stringify(order), `Log level of ${task === "" ? "all tasks" : task}`);
  });
}

document.addEventListener("farm-update", () => show(document));
show(document);
