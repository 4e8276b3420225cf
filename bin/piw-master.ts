#!/usr/bin/env -S node --enable-source-maps
/** The command piw-master. */
import { master } from "./commands/master.ts";

await master(process.argv.slice(2));
