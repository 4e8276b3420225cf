#!/usr/bin/env -S node --enable-source-maps
/** The command piw-audit. */
import { audit } from "./commands/audit.ts";

await audit(process.argv.slice(2));
