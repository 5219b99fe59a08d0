// node deliver.mjs EVENT TIMES REST_MS OUT: gives the handler an event so many times, as deliver.py does.

import { readFileSync, writeFileSync } from "node:fs";

const [path, times, restMs, out] = process.argv.slice(2);
const event = JSON.parse(readFileSync(path));
const { handler } = await import("./index.mjs");
const took = [];
for (let nth = 0; nth < Number(times); nth++) {
  const began = performance.now();
  await handler(event);
  took.push(performance.now() - began);
  await new Promise((resolve) => setTimeout(resolve, Number(restMs)));
}
writeFileSync(out, JSON.stringify(took));
