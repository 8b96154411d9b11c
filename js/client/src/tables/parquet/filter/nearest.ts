/** A question after the nearest name, or nothing. */
export function nearest(name: string, names: readonly string[]): string {
  let found: string | undefined;
  let least = Math.max(1, Math.floor(name.length * 0.4)) + 1;
  for (const other of names) {
    if (Math.abs(other.length - name.length) >= least) continue;
    const steps = distance(name.toLowerCase(), other.toLowerCase());
    if (steps < least) [least, found] = [steps, other];
  }
  return found === undefined ? '' : ` (did you mean '${found}'?)`;
}

/** How many letters are added, taken or changed from one text to the other. */
function distance(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, at) => at);
  for (let at = 1; at <= one.length; at++) {
    const next = [at];
    for (let to = 1; to <= other.length; to++) {
      const changed = (row[to - 1] as number) + (one[at - 1] === other[to - 1] ? 0 : 1);
      next.push(Math.min(changed, (row[to] as number) + 1, (next[to - 1] as number) + 1));
    }
    row = next;
  }
  return row[other.length] as number;
}
