// Passes connections to Unix sockets on to addresses, as it can be done from a network namespace to the world outside:
//   relay.mjs FOLDER ADDRESS:PORT...   listens at FOLDER/ADDRESS:PORT for each, prints a line when all are there
import net from "node:net";
import { join } from "node:path";
import { argv } from "node:process";

/**
 * Joins two connections until one of them ends.
 * @param {net.Socket} a
 * @param {net.Socket} b
 */
export function splice(a, b) {
  for (const [from, to] of [
    [a, b],
    [b, a],
  ]) {
    from.on("error", () => to.destroy());
    // Behind a regular end the other side still gets what is on its way to it, and nobody listens to it any more.
    from.on("close", () => (from.readableEnded ? to.resume() : to.destroy()));
    from.pipe(to);
  }
}

if (argv[1] === import.meta.filename) {
  const [folder, ...targets] = argv.slice(2);
  const servers = targets.map((target) => {
    const [host, port] = target.split(":");
    const server = net.createServer((socket) => splice(socket, net.connect({ host, port: Number(port) })));
    return new Promise((resolve) => server.listen(join(folder, target), resolve));
  });
  await Promise.all(servers);
  console.log("listening");
}
