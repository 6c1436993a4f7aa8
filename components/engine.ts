/**
 * Ends the program once nobody reads what it prints any more, because Pulumi was killed. Pulumi's SDK reports that as an error, by printing it, as
 * fast as the machine can and for ever (seen with 3.248).
 */
export function endWithPulumi(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", () => process.exit(1));
  }
}
