import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  type ConnectionOptions,
  connectionOptions,
  DsnError,
  describeDatabase,
} from "../../db/dsn.ts";

const me = userInfo().username;
const nothing = { HOME: "/nonexistent" };
/** What a DSN that says nothing gives, where no server has made a socket. */
const defaults = {
  user: me,
  password: undefined,
  database: me,
  sslMode: "prefer",
  sslRootCert: undefined,
  sslCrl: undefined,
  sslCert: undefined,
  sslKey: undefined,
  connectTimeoutMs: undefined,
  applicationName: undefined,
  serverOptions: undefined,
};
const socket = (folder: string, port = 5432) => ({ path: `${folder}/.s.PGSQL.${port}` });

describe("a connection string is read as libpq reads it", () => {
  const rows: [dsn: string, env: Record<string, string>, expected: Partial<ConnectionOptions>][] = [
    // URIs
    ["postgres://db.example", {}, { hosts: [{ host: "db.example", port: 5432 }] }],
    [
      "postgresql://db.example:6000/farm",
      {},
      { hosts: [{ host: "db.example", port: 6000 }], database: "farm" },
    ],
    [
      "postgres://ben@db/",
      {},
      { user: "ben", database: "ben", hosts: [{ host: "db", port: 5432 }] },
    ],
    [
      "postgres://ben:s%40c%3Aret@db/farm",
      {},
      { user: "ben", password: "s@c:ret", database: "farm" },
    ],
    ["postgres://ben:a:b@db/farm", {}, { password: "a:b" }],
    ["postgres://[1234:abcd::2]:5433/farm", {}, { hosts: [{ host: "1234:abcd::2", port: 5433 }] }],
    [
      "postgresql://user@[1234:abcd::2]:5432/db?host=/run/postgresql&sslmode=disable",
      {},
      { hosts: [socket("/run/postgresql")], user: "user", database: "db", sslMode: "disable" },
    ],
    [
      "postgres:///farm?host=/run/pg&port=6000",
      {},
      { hosts: [socket("/run/pg", 6000)], database: "farm" },
    ],
    ["postgres://%2Frun%2Fpg:6000/farm", {}, { hosts: [socket("/run/pg", 6000)] }],
    [
      "postgres://a,b:6000,[::1]:6001/farm",
      {},
      {
        hosts: [
          { host: "a", port: 5432 },
          { host: "b", port: 6000 },
          { host: "::1", port: 6001 },
        ],
      },
    ],
    ["postgres://db/farm?ssl=true", {}, { sslMode: "require" }],
    ["postgres://db/farm?sslmode=allow", {}, { sslMode: "prefer" }],
    [
      "postgres://db/farm?application_name=my%20app&connect_timeout=3&options=-c%20geqo%3Doff",
      {},
      { applicationName: "my app", connectTimeoutMs: 3_000, serverOptions: "-c geqo=off" },
    ],
    ["postgres://db/farm?connect_timeout=1", {}, { connectTimeoutMs: 2_000 }],
    ["postgres://db/farm?connect_timeout=0", {}, { connectTimeoutMs: undefined }],
    ["postgres://db/farm?user=ben&password=x%26y", {}, { user: "ben", password: "x&y" }],
    ["postgres://db/farm?keepalives=1&gssencmode=disable", {}, { database: "farm" }],
    ["postgres://db/pi%20wheels", {}, { database: "pi wheels" }],
    // key=value
    [
      "host=db port=6000 dbname=farm user=ben",
      {},
      { hosts: [{ host: "db", port: 6000 }], database: "farm", user: "ben" },
    ],
    [
      "  host = db   dbname='my farm'  password='it\\'s' ",
      {},
      { database: "my farm", password: "it's" },
    ],
    ["host=/run/pg dbname=farm", {}, { hosts: [socket("/run/pg")] }],
    ["host=db password='' user=ben", {}, { password: undefined, user: "ben" }],
    ["password=a\\ b host=db", {}, { password: "a b" }],
    [
      "host=db,e hostaddr=10.0.0.1,::1 port=6000,",
      {},
      {
        hosts: [
          { host: "db", port: 6000, address: "10.0.0.1" },
          { host: "e", port: 5432, address: "::1" },
        ],
      },
    ],
    ["hostaddr=10.0.0.1", {}, { hosts: [{ host: "10.0.0.1", port: 5432 }] }],
    ["postgres://[fe80::1%25eth0]/farm", {}, { hosts: [{ host: "fe80::1%eth0", port: 5432 }] }],
    ["postgres:///piwheels?host=/run/pg", {}, { hosts: [socket("/run/pg")], database: "piwheels" }],
    // TLS
    [
      "postgres://db/farm?sslmode=verify-ca&sslrootcert=/dev/null",
      {},
      { sslMode: "verify-ca", sslRootCert: "/dev/null" },
    ],
    [
      "postgres://db/farm?sslmode=require&sslrootcert=/dev/null",
      {},
      { sslMode: "verify-ca", sslRootCert: "/dev/null" },
    ],
    [
      "postgres://db/farm?sslrootcert=system",
      {},
      { sslMode: "verify-full", sslRootCert: undefined },
    ],
    ["postgres://db/farm", { PGSSLROOTCERT: "system" }, { sslMode: "verify-full" }],
    // Roots that are not there are none, but where the server is to be verified.
    [
      "postgres://db/farm?sslmode=require&sslrootcert=/not/there.pem",
      {},
      { sslMode: "require", sslRootCert: undefined },
    ],
    ["postgres://db/farm?sslrootcert=/not/there.pem", {}, { sslMode: "prefer" }],
    // What asks for what is done anyway.
    [
      "postgres://db/farm?target_session_attrs=any&channel_binding=prefer",
      { PGGSSENCMODE: "disable", PGSERVICE: "", PGSERVICEFILE: "/x", PGTZ: "Mars/Olympus" },
      { database: "farm" },
    ],
    // a bare name
    ["farm", {}, { database: "farm" }],
    // the environment gives what the string does not
    [
      "postgres://",
      {
        PGHOST: "db",
        PGPORT: "6000",
        PGUSER: "ben",
        PGPASSWORD: "pw",
        PGDATABASE: "farm",
        PGSSLMODE: "require",
        PGAPPNAME: "app",
      },
      {
        hosts: [{ host: "db", port: 6000 }],
        user: "ben",
        password: "pw",
        database: "farm",
        sslMode: "require",
        applicationName: "app",
      },
    ],
    [
      "",
      { PGDATABASE: "farm", PGHOST: "/run/pg" },
      { database: "farm", hosts: [socket("/run/pg")] },
    ],
    [
      "postgres://db/mine",
      { PGHOST: "other", PGDATABASE: "other" },
      { database: "mine", hosts: [{ host: "db", port: 5432 }] },
    ],
    ["postgres:///", { PGPORT: "", PGHOST: "db" }, { hosts: [{ host: "db", port: 5432 }] }],
  ];
  test.each(rows)("%s with %j", (dsn, env, expected) => {
    const given = connectionOptions(dsn, { ...nothing, ...env });
    expect({ ...defaults, ...given }).toMatchObject(expected);
    for (const [key, value] of Object.entries(expected))
      expect(given[key as keyof ConnectionOptions]).toEqual(value);
  });

  test("one that names no host means a local socket", () => {
    const [place] = connectionOptions("postgres:///piwheels", nothing).hosts;
    expect(place).toEqual({
      path: expect.stringMatching(/^(\/var\/run\/postgresql|\/tmp)\/\.s\.PGSQL\.5432$/) as string,
    });
  });
});

describe("a connection string that cannot be meant is refused in one line", () => {
  test.each([
    ["mysql://db/farm", "mysql://"],
    ["postgres://db:99999/farm", "99999"],
    ["postgres://db:0/farm", "port"],
    ["postgres://1234:abcd::2/farm", "IPv6"],
    ["postgres://[::1/farm", "host"],
    ["postgres://a,b/farm?port=1,2,3", "2 hosts and 3 ports"],
    ["postgres://db/farm?sslmode=maybe", "maybe"],
    ["postgres://db/farm?colour=red", "colour"],
    ["postgres://db/farm?host", "parameter"],
    ["postgres://db/farm?a=b=c", "parameter"],
    ["postgres://db/fa%zzrm", "%XX"],
    ["postgres://db/fa%00rm", "zero byte"],
    ["postgres://ben@x:y@db/farm", "%40"],
    ["postgres://db/farm#1", "%23"],
    ["host=db dbname='farm", "key=value"],
    ["host=db =x", "key=value"],
    ["host=db connect_timeout=soon", "soon"],
    ["host=db service=farm", "service"],
    ["postgres:///?service=farm", "service"],
    ["postgres://db/farm?target_session_attrs=read-write", "read-write (only any)"],
    ["postgres://db/farm?gssencmode=require", "gssencmode"],
    ["postgres://db/farm?sslnegotiation=direct", "direct"],
    ["postgres://db/farm?sslcrl=/crl.pem", "sslcrl"],
    ["postgres://db/farm?sslmode=verify-ca", "sslrootcert=FILE"],
    ["postgres://db/farm?sslmode=verify-full", "sslrootcert=system"],
    [
      "postgres://db/farm?sslmode=verify-ca&sslrootcert=/not/there.pem",
      "/not/there.pem, which is not there",
    ],
    ["postgres://db/farm?sslmode=require&sslrootcert=system", "verify-full"],
    ["host=a,b hostaddr=10.0.0.1", "2 hosts and 1 of hostaddr"],
    ["hostaddr=db.example", "no address: db.example"],
    ["host=@farm", "abstract"],
    ["host=db __proto__=x", "__proto__"],
  ])("%s", (dsn, part) => {
    const read = () => connectionOptions(dsn, nothing);
    expect(read).toThrow(DsnError);
    expect(read).toThrow(part);
    expect(read).toThrow(/^[^\n]+$/);
  });

  test.each([
    ["PGSERVICE", "farm"],
    ["PGTARGETSESSIONATTRS", "read-write"],
    ["PGREQUIREAUTH", "scram-sha-256"],
    ["PGCHANNELBINDING", "require"],
    ["PGSSLMODE", "always"],
    ["PGSSLMINPROTOCOLVERSION", "TLSv1.3"],
    ["PGCONNECT_TIMEOUT", "soon"],
  ])("whatever it says, with %s=%s", (variable, value) => {
    const read = () => connectionOptions("postgres://db/farm", { ...nothing, [variable]: value });
    expect(read).toThrow(DsnError);
    expect(read).toThrow(new RegExp(`^[^\\n]*(${variable}|${value})[^\\n]*$`));
  });

  test("whatever it is, the answer is options or a DsnError, and soon", () => {
    const pieces = fc.constantFrom(
      "postgres://",
      "@",
      ":",
      "/",
      "?",
      "=",
      "&",
      "[",
      "]",
      "%",
      ",",
      "'",
      "\\",
      " ",
      "host",
      "a",
      "%41",
      "\0",
    );
    fc.assert(
      fc.property(
        fc.array(fc.oneof(pieces, fc.string({ maxLength: 4 })), { maxLength: 30 }),
        (parts) => {
          try {
            return connectionOptions(parts.join(""), nothing).hosts.length > 0;
          } catch (error) {
            return error instanceof DsnError;
          }
        },
      ),
    );
  });

  test("the words for people have no password in them", () => {
    const options = connectionOptions("postgres://ben:secret@[::1]:6000/farm", nothing);
    expect(describeDatabase(options)).toBe('database "farm" at [::1]:6000');
  });
});

describe("the password file", () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "pgpass-"));
    writeFileSync(
      join(folder, ".pgpass"),
      [
        "# comment",
        "other:*:*:*:no",
        "db:6000:farm:ben:se\\:cr\\\\et:more",
        "localhost:*:*:ben:local",
        "*:*:*:any:last",
        "",
      ].join("\n"),
      { mode: 0o600 },
    );
  });
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  test.each([
    ["postgres://ben@db:6000/farm", "se:cr\\et"],
    ["postgres://ben@db:6001/farm", undefined],
    ["postgres://any@elsewhere/x", "last"],
    ["postgres://ben@/farm?host=/var/run/postgresql", "local"],
    ["postgres://ben@/farm?host=/run/pg", undefined],
    ["postgres://any@/farm?host=/run/pg,/run/other", "last"],
    ["postgres://ben@db:6000/farm?hostaddr=10.0.0.1", "se:cr\\et"],
    ["postgres://ben:own@db:6000/farm", "own"],
  ])("%s gets %s", (dsn, password) => {
    expect(connectionOptions(dsn, { HOME: folder }).password).toBe(password);
  });

  test("that has different passwords for several hosts is refused, since only one is sent", () => {
    const read = () =>
      connectionOptions("postgres://ben@db:6000,other:6000/farm", { HOME: folder });
    expect(read).toThrow(/^the password file .*: name one host$/);
  });

  test("and certificates are found in the home folder", () => {
    const home = mkdtempSync(join(tmpdir(), "home-"));
    const files = ["root.crt", "postgresql.crt", "postgresql.key"];
    const paths = files.map((name) => join(home, ".postgresql", name));
    mkdirSync(join(home, ".postgresql"));
    for (const path of paths) writeFileSync(path, "");
    expect(connectionOptions("postgres://db/farm?sslmode=require", { HOME: home })).toMatchObject({
      sslMode: "verify-ca",
      sslRootCert: paths[0],
      sslCrl: undefined,
      sslCert: paths[1],
      sslKey: paths[2],
    });
    const crl = join(home, ".postgresql", "root.crl");
    writeFileSync(crl, "");
    const crlOf = (dsn: string) => connectionOptions(dsn, { HOME: home }).sslCrl;
    expect(crlOf("postgres://db/farm?sslmode=verify-full")).toBe(crl);
    expect(crlOf("postgres://db/farm?sslrootcert=/dev/null&sslmode=verify-ca")).toBe(crl);
    expect(crlOf("postgres://db/farm?sslrootcert=system")).toBeUndefined();
    rmSync(home, { recursive: true });
  });

  test("is not used when others can read it", () => {
    const open = join(folder, "open");
    writeFileSync(open, "*:*:*:*:pw");
    chmodSync(open, 0o644);
    expect(connectionOptions("postgres://db/farm", { PGPASSFILE: open }).password).toBeUndefined();
    chmodSync(open, 0o600);
    expect(connectionOptions("postgres://db/farm", { PGPASSFILE: open }).password).toBe("pw");
  });
});
