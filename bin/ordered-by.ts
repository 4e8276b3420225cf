/** Who gives an order to a master, as the tools say it: `alice@host piw pause`. Nothing proves it. */
import { hostname, userInfo } from "node:os";

const LONGEST = 200;

/** @param program as typed, such as `piw pause` */
export const orderedBy = (program: string): string =>
  `${userName()}@${hostname()} ${program}`.slice(0, LONGEST);

/** Whoever used sudo, too: root alone would be nobody. */
function userName(): string {
  const sudoer = process.env["SUDO_USER"];
  try {
    const { username } = userInfo();
    return sudoer === undefined || sudoer === username ? username : `${sudoer} as ${username}`;
  } catch {
    // A uid without an entry, as in many containers.
    return `uid ${process.getuid?.() ?? "?"}`;
  }
}
