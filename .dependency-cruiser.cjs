// Which rooms of the program may know each other. Types count: what only the compiler sees still has to be read in circles.
const program = "^(index[.]ts$|components/|config/|render/|routes/)";
const never = (name, comment, from, to) => ({
  name,
  comment,
  severity: "error",
  from: { path: from },
  to: { path: to },
});

/** @type {import("dependency-cruiser").IConfiguration} */
module.exports = {
  forbidden: [
    {
      name: "no-circle",
      comment: "of two files that need each other, one holds what belongs into a third",
      severity: "error",
      from: {},
      to: { circular: true },
    },
    never(
      "text-is-pure",
      "what renders text knows no resource",
      "^render/",
      "^(components/|routes/)|node_modules/@pulumi/",
    ),
    never(
      "judged-first",
      "a configuration is judged before any resource is declared",
      "^(config|routes)/",
      "^components/",
    ),
    never("own-helpers", "helpers know no component that uses them", "^components/[^/]+/", "^components/[^/]+[.]ts$"),
    never(
      "review-reads-previews",
      "a review is read from a preview alone, without the program and without Pulumi",
      "^review/",
      "^(index[.]ts$|components/|config/|render/|routes/|sim/|tools/)|node_modules/@pulumi/",
    ),
    never("one-program", "nothing in the program knows that a lab is simulated", program, "^(review|sim|tests|tools)/"),
    never("of-its-own", "an example works wherever it is copied to", "^examples/", `${program}|^(sim|tests|tools)/`),
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
  },
};
