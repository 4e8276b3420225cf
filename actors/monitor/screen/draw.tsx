/**
 * Gives states to ink and takes frames from it. Ink lays out and draws in memory; what reaches the terminal, and when,
 * is for `terminal/`, which writes only what has changed.
 */
import { Writable } from "node:stream";
import { type Instance, render } from "ink";
import { Component, type ReactNode } from "react";
import { toError } from "../../../supervisor/index.ts";
import type { MonitorState } from "../state/monitor-state.ts";
import { App } from "./app.tsx";
import { type Look, LookContext } from "./line.tsx";

export interface Drawing {
  /** Lines with colours, as many as the screen has. @throws whatever a component threw */
  draw(state: MonitorState): string;
  close(): void;
}

/** What ink takes for a terminal: it keeps the last frame. */
class FrameSink extends Writable {
  columns = 80;
  rows = 24;
  frame = "";

  override _write(chunk: Buffer | string, _encoding: string, done: () => void): void {
    this.frame = chunk.toString();
    done();
  }
}

/** @param address of the master, for the title */
export function openDrawing(look: Look, address: string): Drawing {
  const sink = new FrameSink();
  let failure: Error | undefined;
  let ink: Instance | undefined;
  const failed = (error: unknown): void => {
    failure ??= toError(error);
  };
  return {
    draw(state) {
      sink.columns = state.size.columns;
      sink.rows = state.size.rows;
      const node = (
        <Boundary failed={failed}>
          <LookContext.Provider value={look}>
            <App state={state} address={address} />
          </LookContext.Provider>
        </Boundary>
      );
      if (ink === undefined)
        ink = render(node, {
          stdout: sink as unknown as NodeJS.WriteStream,
          stdin: process.stdin,
          // Each frame is written as it is, at once: pacing and differences are not ink's here.
          debug: true,
          exitOnCtrlC: false,
          patchConsole: false,
        });
      else ink.rerender(node);
      if (failure !== undefined) throw failure;
      return sink.frame;
    },
    close() {
      ink?.unmount();
      ink = undefined;
    },
  };
}

/** A component that throws crashes the screen actor, which is started again; ink would draw the error. */
class Boundary extends Component<{
  readonly failed: (error: unknown) => void;
  readonly children: ReactNode;
}> {
  override readonly state = { hasFailed: false };

  static getDerivedStateFromError(): { hasFailed: boolean } {
    return { hasFailed: true };
  }

  override componentDidCatch(error: unknown): void {
    this.props.failed(error);
  }

  override render(): ReactNode {
    return this.state.hasFailed ? null : this.props.children;
  }
}
