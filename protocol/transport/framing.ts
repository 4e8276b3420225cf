/**
 * How an end of a link makes frames: as bytes, for sockets that leave the process and for the in-memory
 * network, or by reference, for `inproc` links. Chosen by the address (`transports.ts`); what arrives shows by itself which it is.
 */
import {
  encodeData,
  encodeDataHead,
  encodeFrame,
  encodeMessage,
  type FrameKind,
  FrameReference,
  type Packet,
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
    return use<Buffer>({
      pack: encodeMessage,
      sizeBytes: (packed) => packed.length,
      data: (sequence, credit, messages) => encodeData(head, sequence, credit, messages),
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
