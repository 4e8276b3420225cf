#!/usr/bin/env -S node --enable-source-maps
/** The command piw-initdb, also called piw-init-db. */
import { initdb } from "./commands/initdb.ts";

await initdb(process.argv.slice(2));
