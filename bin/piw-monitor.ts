#!/usr/bin/env -S node --enable-source-maps
/** The command piw-monitor. */
import { monitor } from "./commands/monitor.ts";

await monitor(process.argv.slice(2));
