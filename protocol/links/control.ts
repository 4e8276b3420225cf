/** The control link (`--control-queue`): what a monitor asks of the master. Local, no keys. */
import { z } from "zod";
import { farmReportSchema } from "../model/status.ts";
import { declareLink, type MessagesOf } from "./declare.ts";

const done = z.object({ tasks: z.array(z.string()) });

const toServer = {
  /** `task` is a task's name or a `*` pattern. */
  PAUSE: { body: z.object({ task: z.string().max(200) }), reply: done },
  RESUME: { body: z.object({ task: z.string().max(200) }), reply: done },
  /** Stops the master in order. */
  QUIT: { body: z.object({}), reply: z.object({}) },
  REPORT: { body: z.object({}), reply: farmReportSchema },
};
const toClient = {};

export const controlLink = declareLink({ name: "control", version: 1, toServer, toClient });
export type ControlQuestions = MessagesOf<typeof toServer>;
export type ControlAnswers = MessagesOf<typeof toClient>;
