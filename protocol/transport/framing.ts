/**
 * How an end of a link makes frames: as bytes, for sockets that leave the process and for the in-memory
 * network, or by reference, for `inproc` links. Chosen by the address (`transports.ts`); what arrives shows by itself which it is.
 */
import { BulkyFrame } from "./bulky-frame.ts";
import {
  encodeData,
  encodeDataHead,
  encodeFrame,
  type FrameKind,
  FrameReference,
  type PackedMessage,
  type Packet,
  packMessage,
  type WireMessage,
} from "./frame.ts";

/** Makes the frames of one session; `M` is a message on its way into one. */
export interface Packing<M> {
  /** @throws Error for a body that has no encoding. */
  pack(message: WireMessage): M;
  /** 0 where nothing is copied. */
  sizeBytes(packed: M): number;
  data(sequence: number, credit: number, messages: readonly M[]): Packet;
}

export interface Framing {
  frame(kind: FrameKind, session: string, payload: unknown): Packet;
  /** Calls `use` with the packing of one session: what `M` is stays between those two. */
  open<T>(session: string, use: <M>(packing: Packing<M>) => T): T;
}

export const asBytes: Framing = {
  frame: encodeFrame,
  open: (session, use) => {
    const head = encodeDataHead(session);
    return use<PackedMessage>({
      pack: packMessage,
      sizeBytes: ({ bytes, bulk }) => bytes.length + (bulk?.length ?? 0),
      data: (sequence, credit, messages) => {
        const pieces = messages.map(({ bytes }) => bytes);
        const frame = encodeData(head, sequence, credit, pieces);
        // Only ever alone in its frame: with another one it would be over `PACKED_BYTES`.
        const bulk = messages.at(-1)?.bulk;
        return bulk === undefined ? frame : new BulkyFrame(frame, bulk);
      },
    });
  },
};

export const byReference: Framing = {
  frame: (kind, session, payload) =>
    new FrameReference({ kind, session, sequence: 0, credit: 0, payload }, []),
  open: (session, use) =>
    use<WireMessage>({
      pack: (message) => message,
      sizeBytes: () => 0,
      data: (sequence, credit, messages) =>
        new FrameReference(
          { kind: "DATA", session, sequence, credit, payload: undefined },
          messages,
        ),
    }),
};
