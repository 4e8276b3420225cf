#!/usr/bin/env -S node --enable-source-maps
/** The command piw-slave. */
import { slave } from "./commands/slave.ts";

await slave(process.argv.slice(2));
