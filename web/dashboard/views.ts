/** The live pages: which pieces each is made of, and how these stand on it. A page's name is also what its stream asks for. */
import { Html } from "../html.ts";
import type { Picture } from "./contract.ts";
import { buildsBody, buildsPieces } from "./pages/builds.ts";
import { eventsPieces } from "./pages/events.ts";
import type { Visitor } from "./pages/frame.ts";
import { overviewBody, overviewPieces } from "./pages/overview.ts";
import { queuePieces } from "./pages/queue.ts";
import { slavePieces } from "./pages/slave.ts";
import { slavesBody, slavesPieces } from "./pages/slaves.ts";
import { treeBody, treePieces } from "./pages/tree.ts";
import type { Piece } from "./piece.ts";

/** What is shown, by the name of the page. A slave's page is `slave-17`. */
export type ViewName =
  | "overview"
  | "slaves"
  | "queue"
  | "builds"
  | "tasks"
  | "events"
  | `slave-${number}`;

type MakePieces = (picture: Picture, visitor: Visitor) => readonly Piece[];

const views: Readonly<Record<string, MakePieces>> = {
  overview: overviewPieces,
  slaves: slavesPieces,
  queue: queuePieces,
  builds: buildsPieces,
  tasks: treePieces,
  events: eventsPieces,
};

export function findView(name: string): ViewName | undefined {
  if (Object.hasOwn(views, name)) return name as ViewName;
  return /^slave-[1-9][0-9]{0,14}$/.test(name) ? (name as ViewName) : undefined;
}

export function piecesOf(name: ViewName, picture: Picture, visitor: Visitor): readonly Piece[] {
  const make = views[name];
  return make === undefined
    ? slavePieces(picture, visitor, Number(name.slice("slave-".length)))
    : make(picture, visitor);
}

/** How often the tree is to be read for a view. */
export const treeEveryMs = (name: ViewName): number => (name === "tasks" ? 2_000 : 15_000);

type Body = (shown: (keyOrList: string) => Html, visitor: Visitor) => Html;

/** Pages that need nothing but their pieces. */
export const plainPages: readonly {
  readonly path: string;
  readonly view: ViewName;
  readonly title: string;
  readonly hasPlots: boolean;
  readonly body: Body;
}[] = [
  { path: "/farm/", view: "overview", title: "Overview", hasPlots: true, body: overviewBody },
  { path: "/farm/slaves", view: "slaves", title: "Slaves", hasPlots: false, body: slavesBody },
  { path: "/farm/builds", view: "builds", title: "Builds", hasPlots: false, body: buildsBody },
  { path: "/farm/tasks", view: "tasks", title: "Tasks", hasPlots: false, body: treeBody },
];

export const joined = (pieces: readonly Piece[]): Html =>
  new Html(pieces.map((piece) => piece.html).join("\n"));
