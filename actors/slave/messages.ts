/** What the slave's actors say to each other. Each is handled in the file of its actor. */
import type { ToFileSender } from "../../protocol/links/files.ts";
import type { FromSlave, ToSlave } from "../../protocol/links/slave.ts";
import type { BuildOrder, BuildResult, Token } from "../../protocol/model/build.ts";
import type { BodyOf, MessageOf } from "../../supervisor/index.ts";

export interface BuilderMessages {
  BUILD(body: {
    readonly order: BuildOrder;
    readonly upstreamIndex: string;
    readonly farmIndex: string | null;
  }): void;
  /**
   * Ends the build if it runs, forgets it if it is finished. Answered with DROPPED, always; with `ifRunning` with
   * FINISHED where it is finished and so kept.
   */
  DROP(body: BodyOf<ToSlave, "DONE">): void;
  /** The token of the build in hand, or null. */
  RUNNING(): Token | null;
  /** Said by the builder to itself; no result: it was dropped. */
  ENDED(body: { readonly token: Token; readonly result: BuildResult | undefined }): void;
}

/** Which endpoint said it; an earlier one's words do not count. */
type Session = { readonly session: number };

export interface LinkSessionMessages {
  OPEN(): void;
  UP(body: Session): void;
  DOWN(body: Session & { readonly reason: string }): void;
  RECEIVED(body: Session & { readonly message: MessageOf<ToSlave> }): void;
  /** The builder: the build is in the outbox. */
  FINISHED(body: { readonly token: Token }): void;
  /** The builder: what the build's runner says of it. */
  STATUS(body: BodyOf<FromSlave, "STATUS">): void;
  /** The builder: nothing is left of the build. */
  DROPPED(body: { readonly token: Token }): void;
  /** The file sender: the last byte of a file went out. */
  SENT(body: BodyOf<FromSlave, "SENT">): void;
  /** Time to say IDLE, BUSY or BUILT again. */
  AGAIN(): void;
}

export interface FileSenderMessages {
  /** The link session: the master wants the files of this build. */
  SERVE(body: { readonly token: Token }): void;
  FETCH(body: BodyOf<ToFileSender, "FETCH">): void;
  /** An answer has gone out, or will not. */
  ANSWERED(): void;
  /** Is anything left to be served? */
  LOOK(): void;
}
