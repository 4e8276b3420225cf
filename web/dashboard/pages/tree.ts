/** The tree of the master's tasks: state, mailbox, restarts, last error; and orders to each. */
import type { TaskNode } from "../../../protocol/model/task-tree.ts";
import { type Html, html } from "../../html.ts";
import { countText, durationText, type Tone } from "../../pages/words.ts";
import type { Picture } from "../contract.ts";
import { logLevels, masterButtons, type OrderButton, taskButtons } from "../orders.ts";
import { type Piece, row } from "../piece.ts";
import { orderButtons, shortened, toned } from "../words.ts";
import type { Visitor } from "./frame.ts";
import { alerts } from "./overview.ts";

/** Sessions and transfers of a large farm are thousands. */
const TASKS_SHOWN = 1_000;

export function treePieces(picture: Picture, { mayControl }: Visitor): Piece[] {
  const nodes = picture.tree?.tasks ?? [];
  const isSplit = new Set(nodes.map(({ part }) => part)).size > 1;
  return [
    alerts(picture),
    ...nodes
      .slice(0, TASKS_SHOWN)
      .map((node, place) => taskRow(node, place, { mayControl, isSplit })),
  ];
}

const states: Readonly<Record<TaskNode["state"], Tone>> = {
  running: { name: "good", sign: "✓" },
  starting: { name: "busy", sign: "…" },
  restarting: { name: "busy", sign: "↻" },
  paused: { name: "busy", sign: "○" },
  stopped: { name: "calm", sign: "–" },
  failed: { name: "bad", sign: "✗" },
};

const pauses: Readonly<Record<TaskNode["pause"], string>> = {
  never: "–",
  drain: "drains",
  park: "parks",
};

/** Without how long a message has been in hand, where that is short: it would change with every look. */
const BUSY_SHOWN_MS = 2_000;

function taskRow(
  node: TaskNode,
  place: number,
  { mayControl, isSplit }: { readonly mayControl: boolean; readonly isSplit: boolean },
): Piece {
  const { part, path, role, kind, state, pause, mailboxDepth, busyMs, handled, restarts } = node;
  const words = path.split("/").filter((word) => word !== "");
  const name = words.at(-1) ?? part;
  const depth = Math.min(Math.max(words.length - 1, 0), 5);
  const isWorker = kind === "worker";
  const buttons: readonly OrderButton[] = isTask(node)
    ? taskButtons({
        name,
        canPause: pause !== "never",
        isPaused: state === "paused",
        isStopped: state === "stopped",
      })
    : [];
  const busy =
    busyMs >= BUSY_SHOWN_MS ? `, ${durationText(Math.floor(busyMs / 1_000) * 1_000)} in hand` : "";
  return row(
    "tasks",
    `${part}:${path}`,
    String(place).padStart(6, "0"),
    html`<th scope="row" class="depth-${depth}"><span title="${path}">${name}</span>${role === "" ? undefined : html` <span class="quiet">${role}</span>`}${isSplit ? html` <span class="mark">${part}</span>` : undefined}</th><td>${toned(states[state], state)}</td><td class="number">${isWorker ? countText(mailboxDepth) : ""}${busy}</td><td class="number">${isWorker ? countText(handled) : ""}</td><td class="number">${countText(restarts)}</td><td>${isWorker ? pauses[pause] : ""}</td><td class="wrap remark">${remark(node)}</td>${mayControl ? html`<td>${orderButtons(buttons, name)}</td>` : undefined}`,
    isWorker ? "" : "branch",
  );
}

/**
 * What orders name: not the thousands that come and go with slaves and files, nor what holds the sockets and takes the orders,
 * which cannot be told to end alone.
 */
const isTask = ({ kind, path }: TaskNode): boolean =>
  kind === "worker" &&
  !/\/(sessions|transfers)\/|^\/(links|observers|parts|leadership)\//.test(path);

function remark({ degraded, lastError, refused = {} }: TaskNode): string {
  const reasons = Object.entries(refused)
    .sort(([, one], [, other]) => other - one)
    .map(([reason, times]) => `${reason} ${times}`);
  return shortened(
    [
      degraded?.reason ?? "",
      lastError === undefined ? "" : `last error: ${lastError}`,
      reasons.length === 0 ? "" : `refused: ${reasons.join(", ")}`,
    ]
      .filter((part) => part !== "")
      .join("; "),
  );
}

export const treeBody = (
  shown: (key: string) => Html,
  { mayControl }: Visitor,
): Html => html`<h1>Tasks</h1>
${shown("alerts")}
<p class="filter"><label>Show those with <input id="filter" data-filters="tasks" type="search" autocomplete="off" spellcheck="false" placeholder="a task, a state"></label></p>
<div class="scroll" tabindex="0" role="region" aria-label="Tasks of the master"><table class="tree">
<thead><tr><th scope="col">Task</th><th scope="col">State</th><th scope="col" class="number">Mailbox</th><th scope="col" class="number">Handled</th><th scope="col" class="number">Restarts</th><th scope="col">Pause</th><th scope="col">Remarks</th>${mayControl ? html`<th scope="col">Orders</th>` : undefined}</tr></thead>
<tbody data-list="tasks" data-empty="The tree is being read.">${shown("tasks")}</tbody></table></div>
${mayControl ? html`<p class="all-orders">${orderButtons(masterButtons)}</p>${levelForm}` : undefined}`;

const levelForm = html`<form id="log-level" class="log-level" hidden><label>Log <select name="level">${logLevels.map((level) => html`<option${level === "info" ? html` selected` : undefined}>${level}</option>`)}<option value="">as configured</option></select></label> <label>of <input name="task" maxlength="200" placeholder="all tasks" autocomplete="off" spellcheck="false"></label> <button type="submit">Set log level</button></form>`;
