/** Words and small elements that the dashboard's pages share, beside those of the whole site (web/pages/words.ts). */
import { causeText } from "../../protocol/model/cause.ts";
import type { BuildInHand, SlaveNowState } from "../../protocol/model/slave-now.ts";
import type { EndedBuild } from "../../protocol/model/status.ts";
import { type Html, html } from "../html.ts";
import { countText, instantText, type Tone, toneOf } from "../pages/words.ts";
import type { OrderButton } from "./orders.ts";

const tones = {
  good: { name: "good", sign: "✓" },
  bad: { name: "bad", sign: "✗" },
  busy: { name: "busy", sign: "▸" },
  held: { name: "busy", sign: "○" },
  calm: { name: "calm", sign: "–" },
} as const satisfies Record<string, Tone>;

export const slaveStates: Readonly<
  Record<SlaveNowState, { readonly text: string; readonly tone: Tone }>
> = {
  idle: { text: "idle", tone: tones.good },
  building: { text: "building", tone: tones.busy },
  delivering: { text: "sending", tone: tones.busy },
  cleaning: { text: "cleaning", tone: tones.busy },
  asleep: { text: "asleep", tone: tones.held },
  silent: { text: "silent", tone: tones.bad },
  gone: { text: "gone", tone: tones.calm },
};

export const toned = ({ name, sign }: Tone, text: string): Html =>
  html`<span class="state ${name}"><span aria-hidden="true">${sign}</span> ${text}</span>`;

/** `12:03:10` of UTC; a script shows for how long it has been so. Null: it is not known. */
export const since = (at: number | null): Html =>
  at === null
    ? html`–`
    : html`<time datetime="${isoText(at)}" title="${instantText(at)}" data-since="${at}">since ${clockText(at)}</time>`;

/** When it was; a script shows it in the reader's own time. */
export const when = (at: number): Html =>
  html`<time datetime="${isoText(at)}" title="${instantText(at)}" data-at="${at}">${clockText(at)}</time>`;

const isoText = (at: number): string => new Date(at).toISOString();
const clockText = (at: number): string => isoText(at).slice(11, 19);

export const countOrNone = (count: number | null | undefined): string =>
  count === null || count === undefined ? "–" : countText(count);

export const projectLink = (name: string): Html =>
  html`<a href="/project/${encodeURIComponent(name)}/">${name}</a>`;

export const slaveLink = (label: string, id: number | null): Html | string =>
  id === null ? label : html`<a href="/farm/slaves/${id}">${label}</a>`;

export const logLink = (build: BuildInHand | EndedBuild): Html =>
  html`<a href="/farm/builds/${build.token}" aria-label="Log of ${build.package} ${build.version}, ${build.target}">log</a>`;

export const outcome = (build: EndedBuild): Html =>
  html`${toned(toneOf(build.cause), causeText[build.cause])}${build.message === "" ? "" : html`<span class="quiet">${shortened(build.message)}</span>`}`;

const MAX_MESSAGE_CHARS = 200;
export const shortened = (text: string): string =>
  text.length > MAX_MESSAGE_CHARS ? `${text.slice(0, MAX_MESSAGE_CHARS - 1)}…` : text;

/** The order itself is in the button: its script asks and sends it. Hidden until that script runs. */
export const orderButtons = (buttons: readonly OrderButton[], about?: string): Html =>
  html`<span class="orders">${buttons.map(
    ({ order, text, question }) =>
      html`<button type="button" hidden data-order="${JSON.stringify(order)}"${question === undefined ? undefined : html` data-question="${question}"`}${about === undefined ? undefined : html` aria-label="${text}: ${about}"`}>${text}</button>`,
  )}</span>`;

export const percentText = (share: number): string => `${Math.round(share * 100)} %`;
