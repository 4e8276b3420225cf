/** What the terminal can show, by what the environment says of it. Called by the command, before anything is started. */

export interface Abilities {
  readonly hasColours: boolean;
  /** Only ASCII is sent: the locale is not UTF-8, so bytes beyond would be anything, also control sequences. */
  readonly isAscii: boolean;
  readonly plots: "braille" | "blocks" | "ascii";
  readonly hasMouse: boolean;
}

export interface AbilityWishes {
  readonly ascii: boolean;
  readonly plots: "auto" | "braille" | "blocks" | "ascii";
  readonly mouse: boolean;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Why this is no terminal to draw on, as one line; undefined where it is one. */
export function terminalProblem(env: Environment, isTerminal: boolean): string | undefined {
  const instead = "piw status, piw slaves list and piw tasks say the same in lines";
  if (!isTerminal) return `this needs a terminal to draw on and to be steered from; ${instead}`;
  const { TERM } = env;
  if (TERM === undefined || TERM === "" || TERM === "dumb" || TERM === "unknown")
    return `the terminal cannot move its cursor (TERM is ${TERM ? TERM : "not set"}); ${instead}`;
  return undefined;
}

export function abilitiesOf(env: Environment, wishes: AbilityWishes): Abilities {
  const locale = env["LC_ALL"] || env["LC_CTYPE"] || env["LANG"] || "";
  const isAscii = wishes.ascii || !/utf-?8/i.test(locale);
  const { TERM = "" } = env;
  // The console of Linux has no braille in its font.
  const best = isAscii ? "ascii" : TERM === "linux" ? "blocks" : "braille";
  const plots = wishes.plots === "auto" || isAscii ? best : wishes.plots;
  return {
    isAscii,
    plots,
    // https://no-color.org: set to anything but nothing.
    hasColours: !env["NO_COLOR"] && !/^(?:vt\d+|.*-m|.*-mono)$/.test(TERM),
    hasMouse: wishes.mouse && !/^(?:linux|vt\d+.*)$/.test(TERM),
  };
}
