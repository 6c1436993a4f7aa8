// Writes to several stores five times a second each, one value a time on a new connection, until standard input ends:
//   write.mjs SETTINGS FOLDER
// SETTINGS is a JSON file: { NAME: { host, servername, port, method, path, body, headers, ca, cert, key, accepted } }, in which @N@ of path
// and body is the number of the write, and `accepted` the status of an answer that acknowledges it. Every acknowledged number is in
// FOLDER/NAME at once.
// Prints for each name { sent, acknowledged, gap, gapAt }: the longest time without an acknowledged write, and when it began, in seconds.
import { appendFileSync, readFileSync } from "node:fs";
import https from "node:https";
import { join } from "node:path";
import { argv, stdin } from "node:process";
import { clearInterval, setInterval } from "node:timers";

const started = Date.now();
const targets = Object.entries(JSON.parse(readFileSync(argv[2], "utf8"))).map(([name, target]) => ({
  ...{ name, target, file: join(argv[3], name) },
  ...{ sent: 0, acknowledged: 0, gap: 0, gapAt: 0, last: started },
}));

/** Looks whether this is the end of the longest time without an acknowledged write. */
function measure(store, now) {
  if (now - store.last > store.gap) {
    store.gap = now - store.last;
    store.gapAt = store.last - started;
  }
  store.last = now;
}

function write(store) {
  const { accepted, body, path, ...target } = store.target;
  const number = String(++store.sent);
  return new Promise((resolve) => {
    const options = { ...target, path: path.replace("@N@", number), agent: false, timeout: 10_000 };
    const request = https.request(options, (response) => {
      response.resume();
      // What is acknowledged is acknowledged by an answer that has come as a whole.
      response.on("end", () => {
        if (response.complete && response.statusCode === accepted) {
          appendFileSync(store.file, `${number}\n`);
          store.acknowledged++;
          measure(store, Date.now());
        }
      });
      response.on("close", resolve);
    });
    request.on("timeout", () => request.destroy());
    // Nobody has promised anything.
    request.on("error", resolve);
    request.end(body.replace("@N@", number));
  });
}

const pending = [];
const timer = setInterval(() => targets.forEach((store) => pending.push(write(store))), 200);
await new Promise((resolve) => stdin.resume().on("end", resolve));
clearInterval(timer);
const ended = Date.now();
await Promise.all(pending);
const results = targets.map((store) => {
  measure(store, Math.max(ended, store.last));
  const { name, sent, acknowledged, gap, gapAt } = store;
  return [name, { sent, acknowledged, gap: gap / 1000, gapAt: gapAt / 1000 }];
});
console.log(JSON.stringify(Object.fromEntries(results)));
