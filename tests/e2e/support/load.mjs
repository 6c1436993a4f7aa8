// Asks for a page RATE times a second, each time on a new connection: load.mjs ADDRESS HOST SECONDS [RATE, 100]
// for at least that long, and on until standard input ends.
// Prints { sent, seconds, failures: [{ at, reason }], slowest } with times in seconds since the start.
import http from "node:http";
import { argv, stdin } from "node:process";
import { clearInterval, setInterval } from "node:timers";

const [address, host, seconds, rate = 100] = argv.slice(2);
const started = Date.now();
const now = () => (Date.now() - started) / 1000;
const failures = [];
let sent = 0;
let slowest = 0;
let wanted = true;
stdin.resume().on("end", () => (wanted = false));

function ask() {
  const at = now();
  sent++;
  return new Promise((resolve) => {
    const fail = (reason) => {
      failures.push({ at, reason });
      resolve();
    };
    const request = http.get({ host: address, headers: { host }, agent: false, timeout: 10_000 }, (response) => {
      response.resume();
      response.on("error", ({ message }) => fail(message));
      response.on("end", () => {
        slowest = Math.max(slowest, now() - at);
        if (response.statusCode === 200) resolve();
        else fail(`status ${response.statusCode}`);
      });
    });
    request.on("timeout", () => request.destroy(new Error("no answer within 10 s")));
    request.on("error", ({ message }) => fail(message));
  });
}

const pending = [];
const lasted = await new Promise((resolve) => {
  const timer = setInterval(() => {
    // As many as are due: a timer that is late must not lower the rate.
    while (sent < now() * Number(rate)) pending.push(ask());
    if (!wanted && now() >= Number(seconds)) {
      clearInterval(timer);
      resolve(now());
    }
  }, 10);
});
await Promise.all(pending);
console.log(JSON.stringify({ sent, seconds: lasted, failures, slowest }));
