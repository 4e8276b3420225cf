#!/usr/bin/env -S node --enable-source-maps
/** The command piw: the umbrella over all others. */
import { umbrella } from "./umbrella.ts";

await umbrella(process.argv.slice(2));
