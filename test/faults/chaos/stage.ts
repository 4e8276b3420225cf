/**
 * The farm that the chaos is done to: a real database, an upstream that publishes while it runs, the
 * master's and the slaves' real trees in this process, and a watch over everything that ends. Slaves
 * that end are started again after a moment, as a service manager would.
 */
import { once } from "node:events";
import { createServer } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { openConnection, type Sql } from "../../../db/connection.ts";
import { type SampleUpstream, startSampleUpstream } from "../../../samples/index.ts";
import { packSampleProjects } from "../../../samples/sample-projects.ts";
import { describeExit } from "../../../supervisor/index.ts";
import { LocalMaster } from "../../support/local-master.ts";
import { createTestDatabase, type TestDatabase } from "../../support/postgres.ts";
import { type SlowSdistOptions, slowSdist } from "../../support/slow-sdist.ts";
import type { Journal } from "./journal.ts";

export const SLAVES = 2;

/** Sooner than in dev mode, so that what is swept is swept within a test. */
const times = { sweepMs: 300, blobGraceMs: 2_000, pageGatherMs: 500 };

/** Ended by a fault, a slave is started again after this. */
const RESTART_MS = 300;

/** What has to become of a version of upstream. */
export interface Expected {
  readonly package: string;
  readonly version: string;
  readonly state: "built" | "failed";
}

export class Stage {
  readonly database: TestDatabase;
  readonly admin: Sql;
  readonly upstream: SampleUpstream;
  readonly master: LocalMaster;
  readonly journal: Journal;
  readonly expected: Expected[] = [];
  /** Ends of the whole master, which no fault may bring about. */
  readonly ends: string[] = [];
  /** Starts of slaves after the first. */
  slaveStarts = 0;
  readonly #underWay = new Set<Promise<void>>();
  readonly #samples = packSampleProjects();
  #isEnding = false;
  #published = 0;

  private constructor(
    database: TestDatabase,
    upstream: SampleUpstream,
    master: LocalMaster,
    journal: Journal,
  ) {
    this.database = database;
    this.admin = openConnection(database.adminDsn, { applicationName: "chaos" });
    this.upstream = upstream;
    this.master = master;
    this.journal = journal;
  }

  static async start(journal: Journal): Promise<Stage> {
    const database = await createTestDatabase();
    await auditDatabase(database);
    const upstream = await startSampleUpstream({ files: [] });
    const master = await LocalMaster.start({
      dsn: database.dsn,
      upstream,
      slaves: SLAVES,
      logger: journal.logger,
      times,
      // Of its own choice the server would be at another address after each of its restarts.
      httpPort: await freePort(),
    });
    const stage = new Stage(database, upstream, master, journal);
    void master.system.terminated.then((reason) => {
      if (!stage.#isEnding) stage.ends.push(`the master ended: ${describeExit(reason)}`);
    });
    for (let number = 1; number <= SLAVES; number += 1) stage.#watchSlave(number);
    return stage;
  }

  /** A version that is in no sample: of one of a few projects, so that they have several. */
  publishSlow(what: Pick<SlowSdistOptions, "buildMs" | "payloadBytes">): string {
    this.#published += 1;
    const project = `chaos${1 + (this.#published % 5)}`;
    const version = `1.${this.#published}`;
    const { filename, contents } = slowSdist({ name: project, version, ...what });
    // A copy of its size: what packed it left it in 16 KiB, which a long run would add up.
    this.upstream.publish({ filename, contents: Buffer.from(contents) });
    this.expected.push({ package: project, version, state: "built" });
    return `${project} ${version}`;
  }

  /** One of the samples that need no compiler: pure Python, one that needs another to build, one that fails. */
  publishSample(project: string): void {
    const file = this.#samples.find((sample) => sample.project === project);
    if (file === undefined) throw new Error(`there is no sample ${project}`);
    this.upstream.publish({ filename: file.filename, contents: file.contents });
    this.expected.push({
      package: project,
      version: file.version,
      state: project === "wheelwright-linchpin" ? "failed" : "built",
    });
  }

  /** Something that goes on beside the sequence of decisions; the run waits for its end. */
  beside(what: string, work: () => Promise<void>): void {
    const running = work().catch((error: unknown) => {
      this.journal.note(`chaos ${what}: ${String(error)}`);
    });
    this.#underWay.add(running);
    void running.then(() => this.#underWay.delete(running));
  }

  async besideIsOver(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.all(this.#underWay);
  }

  async end(): Promise<void> {
    this.#isEnding = true;
    await this.besideIsOver();
    await this.master.end();
    await this.upstream.close();
    await this.admin.end();
    await this.database.end();
  }

  #watchSlave(number: number): void {
    void this.master.slaves[number - 1]?.terminated.then((reason) => {
      if (this.#isEnding) return;
      this.journal.note(`chaos slave ${number} has ended: ${describeExit(reason)}`);
      this.beside(`slave ${number} starts`, () => this.#restart(number));
    });
  }

  async #restart(number: number): Promise<void> {
    for (;;) {
      await delay(RESTART_MS);
      try {
        await this.master.startSlave(number);
        break;
      } catch (error) {
        // Its folder is locked until the old one is quite gone.
        if (!(error instanceof Error && error.name === "FolderInUseError")) throw error;
      }
    }
    this.slaveStarts += 1;
    this.#watchSlave(number);
  }
}

/**
 * Notes each time that a build is settled and that a file is placed. A table of results cannot tell
 * something that was done twice from something that was done once.
 */
async function auditDatabase(database: TestDatabase): Promise<void> {
  const admin = openConnection(database.adminDsn, { applicationName: "chaos" });
  try {
    await admin.unsafe(`
      create schema chaos;
      create table chaos.deed (what text not null, key text not null, detail text);
      create function chaos.note() returns trigger language plpgsql security definer as $$
      begin
        insert into chaos.deed values (tg_argv[0],
          to_jsonb(new) ->> tg_argv[1], to_jsonb(new) ->> tg_argv[2]);
        return null;
      end $$;
      create trigger settled after update on build for each row
        when (new.settled_at is distinct from old.settled_at
          and not (old.outcome is not distinct from 'failed' and old.cause is not distinct from 'slave-lost'))
        execute function chaos.note('settled', 'token', 'outcome');
      create trigger recorded after insert on file for each row
        execute function chaos.note('recorded', 'filename', 'sha256');
      create trigger placed after update on file for each row
        when (new.placed_at is distinct from old.placed_at)
        execute function chaos.note('placed', 'filename', 'sha256')`);
  } finally {
    await admin.end();
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("no port is free");
  return address.port;
}
