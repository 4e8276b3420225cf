/**
 * The three XML-RPC methods of PyPI that a mirror needs, worded as PyPI's server (Python's `xmlrpc`) does.
 * Pure: a request's text in, an answer's text out.
 */
import type { ChangelogRow, SampleIndex } from "./sample-index.ts";

/** More rows than this the real server does not give in one answer either. */
const MAX_CHANGELOG_ROWS = 50_000;

export function answerXmlRpc(index: SampleIndex, requestText: string): string {
  const method = /<methodName>\s*([\w.]+)\s*<\/methodName>/.exec(requestText)?.[1] ?? "";
  const argument = /<(int|i4|i8)>\s*(-?\d+)\s*<\/\1>/.exec(requestText)?.[2];
  switch (method) {
    case "changelog_last_serial":
      return response(int(index.lastSerial));
    case "changelog_since_serial": {
      if (argument === undefined) return fault(-32602, "changelog_since_serial takes a serial");
      const rows = index.changelog.filter(({ serial }) => serial > Number(argument));
      return changelogResponse(rows.slice(0, MAX_CHANGELOG_ROWS));
    }
    case "list_packages_with_serial":
      return response(`<struct>\n${[...index.projects.values()].map(member).join("")}</struct>`);
    default:
      return fault(-32601, `server error; requested method not found`);
  }
}

export const changelogResponse = (rows: readonly ChangelogRow[]): string =>
  response(array(rows.map(changelogRow)));

/** An answer that says that the request failed; PyPI gives code -32500 to whoever asks too often. */
export const fault = (code: number, message: string): string =>
  `<?xml version='1.0'?>\n<methodResponse>\n<fault>\n<value><struct>\n<member>\n<name>faultCode</name>\n<value>${int(code)}</value>\n</member>\n<member>\n<name>faultString</name>\n<value>${string(message)}</value>\n</member>\n</struct></value>\n</fault>\n</methodResponse>\n`;

const response = (value: string): string =>
  `<?xml version='1.0'?>\n<methodResponse>\n<params>\n<param>\n<value>${value}</value>\n</param>\n</params>\n</methodResponse>\n`;

const array = (values: readonly string[]): string =>
  `<array><data>\n${values.map((value) => `<value>${value}</value>\n`).join("")}</data></array>`;

const int = (value: number): string => `<int>${value}</int>`;

const escapeXml = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

const string = (text: string): string => `<string>${escapeXml(text)}</string>`;

const member = ({ name, lastSerial }: { name: string; lastSerial: number }): string =>
  `<member>\n<name>${escapeXml(name)}</name>\n<value>${int(lastSerial)}</value>\n</member>\n`;

const changelogRow = ({ name, version, at, action, serial }: ChangelogRow): string =>
  array([
    string(name),
    version === null ? "<nil/>" : string(version),
    int(at),
    string(action),
    int(serial),
  ]);
