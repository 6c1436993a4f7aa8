// Asks several URLs ten times a second, each time on a new connection, until standard input ends: watch.mjs NAME=URL...
// Prints for each name { asked, answered, refused, gap }: connections that were refused or broken off, and the longest time without an
// answer, in seconds. Any answer of HTTP is one.
import http from "node:http";
import https from "node:https";
import { argv, stdin } from "node:process";
import { clearInterval, setInterval } from "node:timers";
import { URL } from "node:url";

const targets = argv.slice(2).map((word) => {
  const [name, ...url] = word.split("=");
  return { name, url: new URL(url.join("=")), asked: 0, answered: 0, refused: 0, gap: 0, last: Date.now() };
});

function answered(target) {
  const now = Date.now();
  target.answered++;
  target.gap = Math.max(target.gap, now - target.last);
  target.last = now;
}

function ask(target) {
  target.asked++;
  const { get } = target.url.protocol === "https:" ? https : http;
  return new Promise((resolve) => {
    // Whom they belong to is not the question here.
    const options = { agent: false, timeout: 1000, rejectUnauthorized: false };
    const request = get(target.url, options, (response) => {
      answered(target);
      response.resume();
      response.on("close", resolve);
    });
    let late = false;
    request.on("timeout", () => {
      late = true;
      request.destroy();
    });
    request.on("error", () => {
      // One that hears nothing in time was not refused.
      if (!late) target.refused++;
      resolve();
    });
  });
}

const pending = [];
const timer = setInterval(() => targets.forEach((target) => pending.push(ask(target))), 100);
await new Promise((resolve) => stdin.resume().on("end", resolve));
clearInterval(timer);
const ended = Date.now();
await Promise.all(pending);
const results = targets.map((target) => {
  const { name, asked, answered, refused, gap, last } = target;
  return [name, { asked, answered, refused, gap: Math.max(gap, ended - last) / 1000 }];
});
console.log(JSON.stringify(Object.fromEntries(results)));
