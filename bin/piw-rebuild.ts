#!/usr/bin/env -S node --enable-source-maps
/** The command piw-rebuild. */
import { rebuild } from "./commands/rebuild.ts";

await rebuild(process.argv.slice(2));
