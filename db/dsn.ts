/**
 * What libpq makes of a connection string: the one place that reads a DSN. The driver's own reading
 * differs (a missing host becomes TCP, `?host=/folder` is ignored, IPv6 literals are misread), so it
 * is given plain values only. Called by session.ts and by programs that name the database to people.
 *
 * Source: PostgreSQL manual, "Connection Strings", "Parameter Key Words", "Environment Variables".
 */
import { existsSync } from "node:fs";
import { isIP } from "node:net";
import { homedir, userInfo } from "node:os";
import { dirname, join } from "node:path";
import { findPassword } from "./password-file.ts";

/**
 * One place to try. A `path` is the whole name of a Unix socket. `host` is what a certificate and the password
 * file name it; where there is an `address` (hostaddr) that is connected to, and no name is looked up.
 */
export type DatabaseHost =
  | { readonly path: string }
  | { readonly host: string; readonly port: number; readonly address?: string };

/** libpq's `sslmode`, without `allow` (which is taken as `prefer`). */
export type SslMode = "disable" | "prefer" | "require" | "verify-ca" | "verify-full";

export interface ConnectionOptions {
  /** Tried in order; never empty. */
  readonly hosts: readonly DatabaseHost[];
  readonly user: string;
  /** Undefined: none was given, and none is sent. */
  readonly password: string | undefined;
  readonly database: string;
  readonly sslMode: SslMode;
  /** Files in PEM, as said or in ~/.postgresql; undefined: the system's roots, no client certificate. */
  readonly sslRootCert: string | undefined;
  /** Certificates that were revoked: ~/.postgresql/root.crl, where it is. */
  readonly sslCrl: string | undefined;
  readonly sslCert: string | undefined;
  readonly sslKey: string | undefined;
  /** For one host; undefined: the caller's default. */
  readonly connectTimeoutMs: number | undefined;
  readonly applicationName: string | undefined;
  /** Command line options for the server process (`-c name=value`). */
  readonly serverOptions: string | undefined;
}

/** The connection string cannot be understood. The message is one line, fit to be shown, without the password. */
export class DsnError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "DsnError";
  }
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Where a server of a distribution (first) and one built by hand (second) put their socket. */
const SOCKET_FOLDERS = ["/var/run/postgresql", "/tmp"];

/** Parameters that are read here, each with the environment variable that gives its default. */
const PARAMETERS: Readonly<Record<string, string | undefined>> = {
  host: "PGHOST",
  hostaddr: "PGHOSTADDR",
  port: "PGPORT",
  dbname: "PGDATABASE",
  user: "PGUSER",
  password: "PGPASSWORD",
  passfile: "PGPASSFILE",
  sslmode: "PGSSLMODE",
  sslrootcert: "PGSSLROOTCERT",
  sslcert: "PGSSLCERT",
  sslkey: "PGSSLKEY",
  connect_timeout: "PGCONNECT_TIMEOUT",
  application_name: "PGAPPNAME",
  fallback_application_name: undefined,
  options: "PGOPTIONS",
};

/** Parameters that libpq knows and that change nothing here. */
const IGNORED = new Set([
  "client_encoding",
  "krbsrvname",
  "gsslib",
  "gssdelegation",
  "keepalives",
  "keepalives_idle",
  "keepalives_interval",
  "keepalives_count",
  "tcp_user_timeout",
  "sslcompression",
  "sslsni",
]);

/**
 * What libpq would do and this does not, with the variable that says it too: who asks for it is told, since to
 * pass over it would connect elsewhere, or with less care. The values listed are what is done anyway.
 */
const UNSUPPORTED: Readonly<Record<string, readonly [variable: string, ...harmless: string[]]>> = {
  service: ["PGSERVICE"],
  target_session_attrs: ["PGTARGETSESSIONATTRS", "any"],
  load_balance_hosts: ["PGLOADBALANCEHOSTS", "disable"],
  channel_binding: ["PGCHANNELBINDING", "prefer", "disable"],
  require_auth: ["PGREQUIREAUTH"],
  requirepeer: ["PGREQUIREPEER"],
  gssencmode: ["PGGSSENCMODE", "prefer", "disable"],
  sslnegotiation: ["PGSSLNEGOTIATION", "postgres"],
  sslcertmode: ["PGSSLCERTMODE", "allow"],
  sslcrl: ["PGSSLCRL"],
  sslcrldir: ["PGSSLCRLDIR"],
  ssl_min_protocol_version: ["PGSSLMINPROTOCOLVERSION", "TLSv1", "TLSv1.1", "TLSv1.2"],
  ssl_max_protocol_version: ["PGSSLMAXPROTOCOLVERSION"],
};

/**
 * Reads a DSN: a URI (`postgres://`, `postgresql://`), key=value pairs, or a bare database name.
 * What it does not say comes from the PG* variables of `env`, then from libpq's defaults.
 *
 * @throws DsnError for a string that libpq would refuse, and for parameters that are not supported.
 */
export function connectionOptions(dsn: string, env: Environment = process.env): ConnectionOptions {
  const given = parseDsn(dsn);
  for (const key of Object.keys(given)) {
    if (![PARAMETERS, UNSUPPORTED].some((table) => Object.hasOwn(table, key)) && !IGNORED.has(key))
      throw new DsnError(`the database address has a parameter that is not supported: ${key}`);
  }
  refuseUnsupported(given, env);
  const value = (key: string): string | undefined => {
    const own = given[key];
    if (own !== undefined && own !== "") return own;
    const variable = PARAMETERS[key];
    const fromEnv = variable === undefined ? undefined : env[variable];
    return fromEnv === "" ? undefined : fromEnv;
  };
  const user = value("user") ?? operatingSystemUser(env);
  const database = value("dbname") ?? user;
  const hosts = hostsOf(value("host"), value("hostaddr"), value("port"));
  const passwordFile = value("passfile") ?? join(homeFolder(env), ".pgpass");
  const password = value("password") ?? filePassword(passwordFile, hosts, { database, user });
  const ownPath = (name: string): string => join(homeFolder(env), ".postgresql", name);
  const ownFile = (name: string): string | undefined => present(ownPath(name));
  const askedRoot = value("sslrootcert") ?? ownPath("root.crt");
  const sslRootCert = askedRoot === "system" ? askedRoot : present(askedRoot);
  const sslCert = value("sslcert") ?? ownFile("postgresql.crt");
  return {
    hosts,
    user,
    password,
    database,
    sslMode: sslModeOf(value("sslmode"), sslRootCert, askedRoot),
    sslRootCert: sslRootCert === "system" ? undefined : sslRootCert,
    // Beside roots of one's own only, and no matter where these lie.
    sslCrl: sslRootCert === "system" || sslRootCert === undefined ? undefined : ownFile("root.crl"),
    sslCert,
    sslKey: value("sslkey") ?? (sslCert === undefined ? undefined : ownFile("postgresql.key")),
    connectTimeoutMs: connectTimeoutOf(value("connect_timeout")),
    applicationName: value("application_name") ?? value("fallback_application_name"),
    serverOptions: value("options"),
  };
}

function refuseUnsupported(given: Pairs, env: Environment): void {
  for (const [key, [variable, ...harmless]] of Object.entries(UNSUPPORTED)) {
    const own = given[key] ?? "";
    const said = own === "" ? (env[variable] ?? "") : own;
    if (said === "" || harmless.includes(said)) continue;
    const where = own === "" ? `the variable ${variable} asks for` : "the database address has";
    throw new DsnError(
      harmless.length === 0
        ? `${where} a parameter that is not supported: ${key}`
        : `${where} a ${key} that is not supported: ${said} (only ${harmless.join(", ")})`,
    );
  }
}

/** The address in words, without the password: `database "piwheels" at /run/postgresql/.s.PGSQL.5432`. */
export function describeDatabase(options: ConnectionOptions): string {
  const places = options.hosts.map((place) =>
    "path" in place
      ? place.path
      : `${place.host.includes(":") ? `[${place.host}]` : place.host}:${place.port}`,
  );
  return `database "${options.database}" at ${places.join(", ")}`;
}

type Pairs = Record<string, string>;
/** Without a prototype, so that `__proto__` is a key like any other. */
const noPairs = (): Pairs => Object.create(null) as Pairs;

function parseDsn(dsn: string): Pairs {
  if (dsn.includes("\0")) throw new DsnError("the database address has a zero byte in it");
  const scheme = /^(postgres|postgresql):\/\//.exec(dsn);
  if (scheme !== null) return parseUri(dsn.slice(scheme[0].length));
  const foreign = /^([A-Za-z][A-Za-z0-9+.-]*):\/\//.exec(dsn);
  if (foreign !== null)
    throw new DsnError(
      `the database address begins with "${foreign[1]}://"; it must be "postgres://"`,
    );
  return dsn.includes("=") ? parsePairs(dsn) : { dbname: dsn.trim() };
}

/** `[user[:password]@][host[:port],…][/dbname][?key=value&…]`; a host may be an IPv6 literal in brackets or an encoded folder. */
function parseUri(rest: string): Pairs {
  if (rest.includes("#")) throw new DsnError('the database address has a "#"; write %23 for it');
  const queryAt = rest.indexOf("?");
  const query = queryAt < 0 ? "" : rest.slice(queryAt + 1);
  const beforeQuery = queryAt < 0 ? rest : rest.slice(0, queryAt);
  const slashAt = beforeQuery.indexOf("/");
  const authority = slashAt < 0 ? beforeQuery : beforeQuery.slice(0, slashAt);
  const pairs = noPairs();
  if (slashAt >= 0) put(pairs, "dbname", decode(beforeQuery.slice(slashAt + 1)));
  const atAt = authority.lastIndexOf("@");
  if (atAt >= 0) {
    const credentials = authority.slice(0, atAt);
    if (credentials.includes("@"))
      throw new DsnError('the database address has two "@"; write %40 for one');
    const colonAt = credentials.indexOf(":");
    put(pairs, "user", decode(colonAt < 0 ? credentials : credentials.slice(0, colonAt)));
    if (colonAt >= 0) put(pairs, "password", decode(credentials.slice(colonAt + 1)));
  }
  const places = authority
    .slice(atAt + 1)
    .split(",")
    .map(parsePlace);
  put(pairs, "host", places.map((place) => place.host).join(","));
  if (places.some((place) => place.port !== ""))
    put(pairs, "port", places.map((place) => place.port).join(","));
  for (const part of query === "" ? [] : query.split("&")) {
    const equalsAt = part.indexOf("=");
    if (equalsAt < 1 || part.indexOf("=", equalsAt + 1) >= 0)
      throw new DsnError("the database address has a query parameter without a single =");
    const key = decode(part.slice(0, equalsAt));
    // JDBC's spelling, which libpq takes too.
    if (key === "ssl" && part.slice(equalsAt + 1) === "true") pairs["sslmode"] = "require";
    else pairs[key] = decode(part.slice(equalsAt + 1));
  }
  return pairs;
}

function parsePlace(text: string): { host: string; port: string } {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]*))(?::(\d*))?$/.exec(text);
  if (match === null)
    throw new DsnError(
      "the database address has a host that cannot be read; an IPv6 address stands in [ ]",
    );
  return { host: decode(match[1] ?? match[2] ?? ""), port: match[3] ?? "" };
}

const put = (pairs: Pairs, key: string, value: string) => {
  if (value !== "") pairs[key] = value;
};

function decode(text: string): string {
  try {
    const decoded = decodeURIComponent(text);
    if (decoded.includes("\0")) throw new DsnError("the database address has a zero byte in it");
    return decoded;
  } catch (error) {
    if (error instanceof DsnError) throw error;
    throw new DsnError('the database address has a "%" that begins no %XX of valid UTF-8');
  }
}

/** `key = value key='it''s'`: backslash escapes, single quotes around values with spaces. */
function parsePairs(dsn: string): Pairs {
  const pairs = noPairs();
  let rest = dsn.trim();
  while (rest !== "") {
    const match =
      /^([^\s=]+)\s*=\s*(?:'((?:[^'\\]|\\.)*)'|((?:[^\s'\\]|\\.)(?:[^\s\\]|\\.)*)?)(?=\s|$)/s.exec(
        rest,
      );
    if (match === null) throw new DsnError('the database address is not made of "key=value" pairs');
    const [whole, key, quoted, plain] = match;
    if (key !== undefined) pairs[key] = (quoted ?? plain ?? "").replace(/\\(.)/gs, "$1");
    rest = rest.slice(whole.length).trimStart();
  }
  return pairs;
}

function hostsOf(
  host: string | undefined,
  address: string | undefined,
  port: string | undefined,
): DatabaseHost[] {
  const addresses = address?.split(",") ?? [];
  const names = host?.split(",") ?? addresses.map(() => "");
  if (names.length === 0) names.push("");
  const ports = (port ?? "").split(",");
  if (address !== undefined && addresses.length !== names.length)
    throw new DsnError(
      `the database address has ${names.length} hosts and ${addresses.length} of hostaddr`,
    );
  if (ports.length !== 1 && ports.length !== names.length)
    throw new DsnError(`the database address has ${names.length} hosts and ${ports.length} ports`);
  return names.map((name, index) =>
    hostOf(name, addresses[index] ?? "", portOf(ports[ports.length === 1 ? 0 : index] ?? "")),
  );
}

function hostOf(name: string, address: string, port: number): DatabaseHost {
  if (address !== "") {
    if (isIP(address) === 0)
      throw new DsnError(`the database address has a hostaddr that is no address: ${address}`);
    return name === "" || name.startsWith("/")
      ? { host: address, port }
      : { host: name, port, address };
  }
  if (name.startsWith("@"))
    throw new DsnError("the database address names an abstract socket (@), which is not supported");
  if (name === "") return { path: join(defaultSocketFolder(port), socketName(port)) };
  return name.startsWith("/") ? { path: join(name, socketName(port)) } : { host: name, port };
}

const socketName = (port: number) => `.s.PGSQL.${port}`;

/** The folder whose socket is there; the distribution's where neither has it, since that is where people look. */
const defaultSocketFolder = (port: number) =>
  SOCKET_FOLDERS.find((folder) => existsSync(join(folder, socketName(port)))) ??
  SOCKET_FOLDERS.find((folder) => existsSync(folder)) ??
  "/tmp";

function portOf(text: string): number {
  if (text === "") return 5432;
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port < 1 || port > 65_535)
    throw new DsnError(`the database address has a port that is none: ${text}`);
  return port;
}

const present = (path: string): string | undefined => (existsSync(path) ? path : undefined);

/**
 * With roots given `require` checks the chain, and with the system's only `verify-full` means anything. A file of roots that is not
 * there is none: an error only where the server is to be verified. All as in libpq.
 */
function sslModeOf(text: string | undefined, rootCert: string | undefined, asked: string): SslMode {
  switch (text) {
    case undefined:
      return rootCert === "system" ? "verify-full" : "prefer";
    case "require":
    case "verify-ca":
      if (rootCert === "system")
        throw new DsnError(`sslrootcert=system needs sslmode=verify-full, and not ${text}`);
      if (text === "verify-ca") needRoots(text, rootCert, asked);
      return rootCert === undefined ? "require" : "verify-ca";
    case "allow":
    case "disable":
    case "prefer":
      if (rootCert === "system")
        throw new DsnError(`sslrootcert=system needs sslmode=verify-full, and not ${text}`);
      return text === "allow" ? "prefer" : text;
    case "verify-full":
      needRoots(text, rootCert, asked);
      return text;
    default:
      throw new DsnError(`the database address has an sslmode that is none: ${text}`);
  }
}

function needRoots(mode: string, rootCert: string | undefined, asked: string): void {
  if (rootCert !== undefined) return;
  throw new DsnError(
    `sslmode=${mode} needs the root certificates of ${asked}, which is not there: give sslrootcert=FILE, ` +
      "or sslrootcert=system for the system's roots and verify-full",
  );
}

/** In libpq 0 and negative mean for ever and 1 is taken as 2; for ever is not offered here. */
function connectTimeoutOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^-?\d{1,9}$/.test(text))
    throw new DsnError(
      `the database address has a connect_timeout that is no number of seconds: ${text}`,
    );
  const seconds = Number(text);
  return seconds <= 0 ? undefined : Math.min(Math.max(seconds, 2), 86_400) * 1_000;
}

function operatingSystemUser(env: Environment): string {
  try {
    return userInfo().username;
  } catch {
    // A container may run as a uid without a name.
    const name = env["USER"] ?? env["LOGNAME"];
    if (name !== undefined && name !== "") return name;
    throw new DsnError("the database address names no user, and this process's user has no name");
  }
}

/** The driver sends one password to whichever host answers: so the file has to have the same for all of them. */
function filePassword(
  file: string,
  hosts: readonly DatabaseHost[],
  login: { readonly database: string; readonly user: string },
): string | undefined {
  const found = hosts.map((place) => findPassword(file, { ...passwordFilePlace(place), ...login }));
  if (new Set(found).size > 1)
    throw new DsnError(
      "the password file has not the same password for all hosts of the database address: name one host",
    );
  return found[0];
}

/** How the password file spells a place: a socket by its folder, one in the default folder as `localhost` too. */
function passwordFilePlace(place: DatabaseHost): { hosts: string[]; port: string } {
  if ("host" in place) return { hosts: [place.host], port: String(place.port) };
  const folder = dirname(place.path);
  const port = place.path.slice(place.path.lastIndexOf(".") + 1);
  return { hosts: SOCKET_FOLDERS.includes(folder) ? [folder, "localhost"] : [folder], port };
}

const homeFolder = (env: Environment) => env["HOME"] ?? homedir();
