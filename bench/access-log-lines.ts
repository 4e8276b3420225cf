/**
 * A log as the web server of a busy farm writes it, in the format `combined`, the same for the same seed: pip and uv of
 * many machines, browsers, bots, scanners; popular packages and rare ones; lines that are counted and lines that are not.
 */
import { seededRandom } from "../supervisor/index.ts";

const PACKAGES = 3_000;
const ADDRESSES = 20_000;
const START_AT = Date.UTC(2026, 9, 3, 8);
const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

const browsers = [
  "Mozilla/5.0 (X11; Linux aarch64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
  "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0",
  "Mozilla/5.0 (compatible; examplebot/2.1; +http://bot.example.org/)",
];

export function accessLogLines(lines: number, seed: number): string {
  const random = seededRandom(seed, "access log");
  const below = (limit: number) => Math.floor(random() * limit);
  const pick = <T>(list: readonly T[]): T => list[below(list.length)] as T;
  const installers = installerAgents();
  const text: string[] = [];
  for (let number = 0; number < lines; number += 1) {
    // Small numbers are popular: half of all is for a few dozen.
    const name = `package-${Math.floor(PACKAGES ** random())}`;
    const file = `${name.replace("-", "_")}-1.${below(9)}.0-cp31${below(4)}-cp31${below(4)}-linux_armv7l.whl`;
    const [share, agent, browser] = [random(), pick(installers), pick(browsers)];
    const line = lineOf(share, { name, file, agent, browser });
    const client = below(ADDRESSES);
    const address =
      client % 8 === 0
        ? `2001:db8:${(client >> 8).toString(16)}::${(client & 255).toString(16)}`
        : `10.${(client >> 12) & 255}.${(client >> 4) & 255}.${client & 15}`;
    text.push(`${address} - - [${timeText(START_AT + number * 3)}] ${line}\n`);
  }
  return text.join("");
}

function lineOf(
  share: number,
  { name, file, agent, browser }: Readonly<Record<"name" | "file" | "agent" | "browser", string>>,
): string {
  const line = (request: string, status: number, by: string) =>
    `"${request} HTTP/1.1" ${status} ${status === 200 ? 48_211 : 0} "-" "${by}"`;
  if (share < 0.4) return line(`GET /simple/${name}/`, 200, agent);
  if (share < 0.7) return line(`GET /simple/${name}/${file}`, 200, agent);
  if (share < 0.78) return line(`GET /simple/${name}/${file}.metadata`, 200, agent);
  if (share < 0.84) return line(`GET /project/${name}/`, 200, browser);
  if (share < 0.88) return line(`GET /project/${name}/json/`, 200, "python-requests/2.32.3");
  if (share < 0.9) return line("GET /packages.html", 200, browser);
  if (share < 0.93) return line(`GET /simple/${name}/`, 304, agent);
  if (share < 0.96) return line(`GET /simple/no-such-${name}/`, 404, agent);
  if (share < 0.98) return line("GET /assets/style.css", 200, browser);
  return line("POST /wp-login.php", 404, '\\xe2\\x80\\x9cscanner\\" \\\\0');
}

function installerAgents(): string[] {
  const agents: string[] = [];
  for (const cpu of ["armv6l", "armv7l", "aarch64", "x86_64"])
    for (const python of ["3.9.2", "3.11.2", "3.12.7", "3.13.1"])
      for (const release of ["5.15.84-v7+", "6.1.21-v8+", "6.6.51+rpt-rpi-v8", "6.12.1"])
        for (const [installer, version] of [
          ["pip", "23.0.1"],
          ["pip", "24.3.1"],
          ["uv", "0.5.4"],
        ]) {
          const said = {
            ci: null,
            cpu,
            distro: {
              id: "bookworm",
              libc: { lib: "glibc", version: "2.36" },
              name: "Raspbian GNU/Linux",
              version: "12",
            },
            implementation: { name: "CPython", version: python },
            installer: { name: installer, version },
            openssl_version: "OpenSSL 3.0.15 3 Sep 2024",
            python,
            rustc_version: null,
            setuptools_version: installer === "pip" ? "66.1.1" : null,
            system: { name: "Linux", release },
          };
          agents.push(`${installer}/${version} ${JSON.stringify(said).replaceAll('"', '\\"')}`);
        }
  return agents;
}

function timeText(at: number): string {
  const date = new Date(at);
  const two = (value: number) => String(value).padStart(2, "0");
  return `${two(date.getUTCDate())}/${months[date.getUTCMonth()]}/${date.getUTCFullYear()}:${two(date.getUTCHours())}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())} +0000`;
}
