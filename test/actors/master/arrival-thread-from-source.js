/** The thread of arrival-reader.test.ts, which runs from its sources. */
import { register } from "tsx/esm/api";

register();
await import("../../../actors/master/arrival-thread.ts");
