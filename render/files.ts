/** Texts by the absolute path of the file that they belong into. */
export type Files = Record<string, string>;

const heading = "=> ";

/**
 * Several files as one text for a step, which `read_files` of scripts/files.sh takes apart: each below a line that names it.
 * @throws Error when a file has a line that looks like such a name
 */
export function fileBundle(files: Files): string {
  return Object.entries(files)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([path, text]) => {
      if (text.split("\n").some((line) => line.startsWith(heading))) {
        throw new Error(`${path} has a line that starts with ${JSON.stringify(heading)}, expected none`);
      }
      return `${heading}${path}\n${text}${text === "" || text.endsWith("\n") ? "" : "\n"}`;
    })
    .join("");
}
