/** The end of a build's log as lines: what the screens show of it, and no more than they could ever show. Pure. */

export interface LogTail {
  /** Null: none is followed. */
  readonly token: number | null;
  readonly title: string;
  readonly lines: readonly string[];
  /** What has been said since the last line's end. */
  readonly partial: string;
  /** Why nothing more comes now, or null. */
  readonly trouble: string | null;
  readonly isEnd: boolean;
}

export const noLog: LogTail = {
  ...{ token: null, title: "", lines: [], partial: "", trouble: null, isEnd: false },
};

export const MAX_LINES = 2_000;
/** Of a line without an end the beginning is kept. */
const MAX_LINE_CHARS = 2_000;

/** Takes what the build has said next; the oldest lines go. */
export function appendLog(tail: LogTail, text: string): LogTail {
  if (text === "") return tail;
  // A program that redraws its line ends it with a carriage return: what it drew last counts.
  const said = (tail.partial + text).replaceAll("\r\n", "\n").split("\n");
  const partial = cut(said.pop() ?? "");
  const fresh = said.slice(-MAX_LINES).map((line) => lastDrawn(line).slice(0, MAX_LINE_CHARS));
  return { ...tail, lines: [...tail.lines, ...fresh].slice(-MAX_LINES), partial };
}

/** Keeps a carriage return at the end, since a line feed may follow. */
function cut(line: string): string {
  const drawn = line.endsWith("\r") ? `${lastDrawn(line)}\r` : lastDrawn(line);
  return drawn.length > MAX_LINE_CHARS ? drawn.slice(0, MAX_LINE_CHARS) : drawn;
}

function lastDrawn(line: string): string {
  const whole = line.replace(/\r+$/, "");
  return whole.slice(whole.lastIndexOf("\r") + 1);
}

/** The lines with the one that is being said. */
export const shownLines = ({ lines, partial }: LogTail): readonly string[] =>
  partial === "" ? lines : [...lines, lastDrawn(partial)];
