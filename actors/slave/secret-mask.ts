/**
 * Takes secrets out of a build's output before it is written anywhere: tokens and passwords in URLs,
 * Authorization headers, variables whose names look like credentials, and whatever the slave itself knows to
 * be secret. Used by the build log for what it takes, and for the message of a result.
 *
 * Output comes in pieces of any size, so whole lines are looked at. A line without an end is let go in parts,
 * never within a secret. It finds what looks like a secret; one that is wrapped over two lines, or that is
 * encoded, passes.
 */

/** What stands in a secret's place. */
const MASK = "***";

/** No match of any rule is longer, so what is farther than that from the end cannot be the start of one that is not seen whole. */
const LONGEST_MATCH_BYTES = 4_200;
/** A line without an end is let go in parts of this size. */
const WINDOW_BYTES = 65_536;
/** Shorter values are words like "secret", which would be masked everywhere. */
const SHORTEST_SECRET_CHARS = 6;
const LONGEST_PIECE_BYTES = 1_000;
const MAX_LITERALS = 500;

const anyCase = (word: string): string =>
  word.replace(/[a-z]/g, (letter) => `[${letter}${letter.toUpperCase()}]`);

const secretWord = anyCase(
  "(?:token|secret|passwor?d|passphrase|api[_-]?key|access[_-]?key|signature|credential|auth|sig)",
);
const header = anyCase("(?:authorization|private-token|job-token|x-[a-z-]{0,30}(?:token|key))");
const scheme = anyCase("(?:basic|bearer|digest|negotiate|token)");
const quote = String.raw`\\?["']?`;

/** Each has one group: what is kept of the match. None crosses a line break, none is unbounded. */
const rules: readonly string[] = [
  // https://user:password@host and https://token@host, up to the last @ before the path.
  String.raw`(:\/\/)[^\s\/?#"<>]{1,4000}(?=@)`,
  String.raw`([?&;][\w.-]{0,40}?${secretWord}[\w.-]{0,20}=)[^\s&;"'<>#]{1,3900}`,
  String.raw`(${header}${quote}[ \t]{0,8}[:=,][ \t]{0,8}b?${quote}(?:${scheme}[ \t]{1,8})?)[^\r\n"'\\]{1,3900}`,
  String.raw`([bB]earer[ \t]{1,4})[\w.~+\/=-]{16,3900}`,
  // API_TOKEN=…, 'DB_PASSWORD': '…'; not -DTOKEN=…, a compiler's macro.
  String.raw`((?<![\w-])[A-Z0-9_]{0,60}(?:TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|API_?KEY|ACCESS_KEY|PRIVATE_KEY|CREDENTIALS?)(?:_[A-Z0-9_]{1,40})?${quote}[ \t]{0,4}[=:][ \t]{0,4}${quote})(?:(?<=")[^"\r\n\\]{4,3800}|(?<=')[^'\r\n\\]{4,3800}|[^\s"'\\]{4,3800})`,
  // Tokens that are known by their form.
  String.raw`((?<!\w))(?:gh[pousr]_\w{20,255}|github_pat_\w{20,255}|glpat-[\w-]{20,100}|pypi-AgE[\w-]{20,1000}|xox[abprs]-[\w-]{10,200})`,
  // Only the log itself says where it was cut: a reader finds the cut by this line.
  String.raw`^(\[)\.\.\. \d+ bytes cut here \.\.\.\]`,
];

/** Used for one stream of output; `text` for anything else. */
export class SecretMask {
  readonly #pattern: RegExp;
  /** A line that has no end yet; a byte per character, as in all of this class. */
  #held = "";
  /** The character before it. */
  #before = "\n";

  /** @param secrets values that are masked wherever they stand, whatever they look like */
  constructor(secrets: readonly string[] = []) {
    const literals = [...new Set(secrets.flatMap(piecesOf))]
      .sort((a, b) => b.length - a.length)
      .slice(0, MAX_LITERALS)
      .map((piece) => `()${piece.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, String.raw`\$&`)}`);
    this.#pattern = new RegExp([...literals, ...rules].join("|"), "gm");
  }

  /** What can be said of the output so far: all lines that have ended. */
  push(chunk: Buffer): Buffer {
    const lastBreak = Math.max(chunk.lastIndexOf(10), chunk.lastIndexOf(13));
    const text = chunk.toString("latin1");
    if (lastBreak === -1) {
      this.#held += text;
      return this.#held.length < WINDOW_BYTES + LONGEST_MATCH_BYTES
        ? Buffer.alloc(0)
        : this.#take(this.#held.length - LONGEST_MATCH_BYTES);
    }
    const lines = this.#held.length + lastBreak + 1;
    this.#held += text;
    return this.#take(lines);
  }

  /** The rest, once nothing more comes. */
  end(): Buffer {
    return this.#take(this.#held.length);
  }

  /** A text that stands for itself. */
  text(text: string): string {
    const bytes = Buffer.from(text).toString("latin1");
    return Buffer.from(this.#masked(`\n${bytes}`, 1, Infinity).text, "latin1").toString();
  }

  #take(upTo: number): Buffer {
    const whole = this.#before + this.#held;
    const { text, endAt } = this.#masked(whole, 1, upTo + 1);
    this.#before = whole.charAt(endAt - 1);
    this.#held = whole.slice(endAt);
    return Buffer.from(text, "latin1");
  }

  /** Masks what begins from `from` on and before `upTo`; a match that begins before `upTo` is taken whole. */
  #masked(whole: string, from: number, upTo: number): { text: string; endAt: number } {
    const parts: string[] = [];
    let at = from;
    this.#pattern.lastIndex = from;
    for (;;) {
      const match = this.#pattern.exec(whole);
      if (match === null || match.index >= upTo) break;
      const groups: readonly (string | undefined)[] = match.slice(1);
      const kept = groups.find((group) => group !== undefined) ?? "";
      parts.push(whole.slice(at, match.index), kept, MASK);
      at = match.index + match[0].length;
    }
    const endAt = Math.max(at, Math.min(upTo, whole.length));
    parts.push(whole.slice(at, endAt));
    return { text: parts.join(""), endAt };
  }
}

/** A long value in even pieces, one of several lines by lines: what stands in a log may be either. */
function piecesOf(secret: string): string[] {
  return Buffer.from(secret)
    .toString("latin1")
    .split(/[\r\n]+/)
    .filter((line) => line.length >= SHORTEST_SECRET_CHARS)
    .flatMap((line) => {
      const count = Math.ceil(line.length / LONGEST_PIECE_BYTES);
      const size = Math.ceil(line.length / count);
      return Array.from({ length: count }, (_, n) => line.slice(n * size, (n + 1) * size));
    });
}

const credentialName =
  /token|secret|passw|passphrase|api_?key|access_?key|private_?key|credential|_key$|_pwd$|(?:^|_)auth$/i;

/** The values of variables whose names look like credentials, and the user and password of every URL in any. */
export function secretsOf(
  environment: Readonly<Record<string, string | undefined>>,
  urls: readonly string[] = [],
): string[] {
  const secrets: string[] = [];
  for (const [name, value] of Object.entries(environment)) {
    if (value !== undefined && credentialName.test(name)) secrets.push(value.trim());
  }
  for (const text of [...Object.values(environment), ...urls])
    if (text?.includes("@") === true) secrets.push(...userinfoOf(text));
  return secrets.filter((secret) => secret.length >= SHORTEST_SECRET_CHARS);
}

function userinfoOf(text: string): string[] {
  const userinfo = /:\/\/([^\s/?#]+)@/.exec(text)?.[1];
  if (userinfo === undefined) return [];
  const colon = userinfo.indexOf(":");
  // A user without a password is a token; one with a password is a name, which may stand anywhere.
  const secret = colon === -1 ? userinfo : userinfo.slice(colon + 1);
  return [secret, decoded(secret)];
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
