/**
 * The shelf on which completions are ordered: K rows, the first is best, one row may hold several (a tie) or none.
 * Empty rows are places to put something; they vanish when the ranking is submitted (`toTiers`).
 */
export type Rows = readonly (readonly number[])[];

export function emptyRows(count: number): Rows {
  return Array.from({ length: count }, () => []);
}

export function rowOf(rows: Rows, id: number): number {
  return rows.findIndex((row) => row.includes(id));
}

function without(rows: Rows, id: number): number[][] {
  return rows.map((row) => row.filter((other) => other !== id));
}

/** Puts a completion into a row, beside whatever is there. A row beyond the last means the last. */
export function place(rows: Rows, id: number, index: number): Rows {
  const target = Math.max(0, Math.min(index, rows.length - 1));
  if (rows[target]?.includes(id)) return rows;
  return without(rows, id).map((row, at) => (at === target ? [...row, id] : row));
}

export function unplace(rows: Rows, id: number): Rows {
  return rowOf(rows, id) < 0 ? rows : without(rows, id);
}

/** Takes a completion away for good, and with it one empty row. */
export function withoutRowOf(rows: Rows, id: number): Rows {
  const left = without(rows, id);
  const empty = left.findLastIndex((row) => row.length === 0);
  return left.filter((_row, at) => at !== empty);
}

/** Puts a completion alone between two rows: before row `index`. The nearest empty row makes the room. */
export function insertBefore(rows: Rows, id: number, index: number): Rows {
  const opened = without(rows, id);
  opened.splice(index, 0, [id]);
  const below = opened.findIndex((row, at) => at > index && row.length === 0);
  const above = opened.findLastIndex((row, at) => at < index && row.length === 0);
  if (below >= 0) opened.splice(below, 1);
  else if (above >= 0) opened.splice(above, 1);
  else opened.pop();
  return opened;
}

/**
 * One step better. From a tie it leaves upwards and stands alone; alone, it joins what is above.
 * So every order and every tie can be reached by steps. What is not ordered yet comes in at the last row.
 */
export function moveUp(rows: Rows, id: number): Rows {
  const from = rowOf(rows, id);
  if (from < 0) return place(rows, id, rows.length - 1);
  const isTied = (rows[from]?.length ?? 0) > 1;
  if (isTied && (from === 0 || (rows[from - 1]?.length ?? 0) > 0)) return insertBefore(rows, id, from);
  return from === 0 ? rows : place(rows, id, from - 1);
}

/** One step worse, in the same manner. What is not ordered yet comes in at the first row. */
export function moveDown(rows: Rows, id: number): Rows {
  const from = rowOf(rows, id);
  if (from < 0) return place(rows, id, 0);
  const isTied = (rows[from]?.length ?? 0) > 1;
  const isLast = from === rows.length - 1;
  if (isTied && (isLast || (rows[from + 1]?.length ?? 0) > 0)) return insertAfter(rows, id, from);
  return isLast ? rows : place(rows, id, from + 1);
}

function insertAfter(rows: Rows, id: number, index: number): Rows {
  const isLast = index === rows.length - 1;
  const above = isLast ? rows.findLastIndex((row, at) => at < index && row.length === 0) : -1;
  if (above < 0) return insertBefore(rows, id, index + 1);
  const opened = without(rows, id);
  opened.splice(above, 1);
  opened.push([id]);
  return opened;
}

/** Ties a completion with the nearest one above it. */
export function tieWithAbove(rows: Rows, id: number): Rows {
  const from = rowOf(rows, id);
  const end = from < 0 ? rows.length : from;
  const above = rows.findLastIndex((row, at) => at < end && row.length > 0);
  return above < 0 ? rows : place(rows, id, above);
}

/** The tiers as they are submitted: best first, no empty ones. */
export function toTiers(rows: Rows): number[][] {
  return rows.filter((row) => row.length > 0).map((row) => [...row]);
}

export interface Standing {
  tier: number;
  numTiers: number;
  tiedWith: number[];
}

/** Where a completion stands, counted without empty rows; null when it is not ordered yet. */
export function standingOf(rows: Rows, id: number): Standing | null {
  const tiers = toTiers(rows);
  const index = tiers.findIndex((tier) => tier.includes(id));
  if (index < 0) return null;
  return {
    tier: index + 1,
    numTiers: tiers.length,
    tiedWith: (tiers[index] ?? []).filter((other) => other !== id),
  };
}
