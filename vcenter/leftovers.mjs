// Which machines an interrupted run has left: what decides about deleting a machine, and nothing else.

/** A run that was interrupted is taken up again the same day. What is older may be in use, whatever the state says. */
const longestHours = 24;

/**
 * @param machines those that have the name of one that is to be cloned: { name, uuid, template, createDate, inFolder, path }
 * @param held UUIDs of the machines that the stack holds, by name
 * @param now the time as vCenter has it
 * @param turns of machines that the stack holds and makes anew, the names of each group, and how many are away at a time
 * @returns the machines to remove, and why others cannot be: as long as there is a reason, none may be removed
 */
export function judge(machines, held, now, turns = []) {
  const removable = [];
  const reasons = [];
  for (const machine of machines) {
    // Itself, which goes in its turn.
    if (machine.uuid !== undefined && held[machine.name] === machine.uuid) {
      continue;
    }
    const reason = objection(machine, held, now);
    if (reason) {
      reasons.push(`${machine.name} cannot be cloned: ${reason}`);
    } else {
      removable.push(machine);
    }
  }
  for (const { names, atOnce } of turns) {
    const others = removable.filter(({ name }) => names.includes(name));
    if (others.length > atOnce) {
      reasons.push(
        `${others.map(({ path }) => path).join(", ")} are other machines than the stack's, and an interrupted run leaves ${atOnce} at most: ` +
          "if the state is an older one, bring back the newest; if not, delete in vCenter those that are not in use",
      );
    }
  }
  return { removable, reasons };
}

function objection({ uuid, template, createDate, inFolder, path }, held, now) {
  if (!inFolder) {
    return `a machine of this name is at ${path}, outside of the stack's folder; rename one of them`;
  }
  if (template) {
    return `${path} is a template; move it out of the stack's folder`;
  }
  if (uuid !== undefined && Object.values(held).includes(uuid)) {
    return `${path} is another machine of this stack, renamed; give it back its name`;
  }
  const hours = (now - new Date(createDate)) / (60 * 60 * 1000);
  if (!(hours < longestHours)) {
    const since = createDate ? `was made on ${createDate.slice(0, 10)}` : "is of unknown age";
    return `${path} ${since}, so it may be in use; if it is not, delete it in vCenter`;
  }
  return undefined;
}
