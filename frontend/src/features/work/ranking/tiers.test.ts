import { describe, expect, test } from "vitest";
import {
  emptyRows,
  insertBefore,
  moveDown,
  moveUp,
  place,
  type Rows,
  standingOf,
  tieWithAbove,
  toTiers,
  unplace,
} from "./tiers";

const inOrder: Rows = [[1], [2], [3], [4]];

describe("placing", () => {
  test("numbers pressed in any order give the order they name", () => {
    const rows = place(place(place(emptyRows(4), 2, 1), 1, 0), 4, 3);
    expect(toTiers(rows)).toEqual([[1], [2], [4]]);
  });

  test("a completion placed into an occupied row is tied", () => {
    expect(toTiers(place(inOrder, 4, 1))).toEqual([[1], [2, 4], [3]]);
  });

  test("a completion taken off the shelf is ordered no more", () => {
    expect(toTiers(unplace(inOrder, 2))).toEqual([[1], [3], [4]]);
    expect(unplace(emptyRows(2), 9)).toEqual(emptyRows(2));
  });

  test("dropping between two rows puts it alone there and keeps the others' order", () => {
    expect(toTiers(insertBefore(inOrder, 4, 1))).toEqual([[1], [4], [2], [3]]);
    expect(insertBefore(inOrder, 1, 4).length).toBe(4);
    expect(toTiers(insertBefore(inOrder, 1, 4))).toEqual([[2], [3], [4], [1]]);
  });
});

describe("steps", () => {
  test("going up from last to first passes through every tie", () => {
    const seen = [];
    let rows: Rows = inOrder;
    for (let step = 0; step < 6; step += 1) {
      rows = moveUp(rows, 4);
      seen.push(JSON.stringify(toTiers(rows)));
    }
    expect(seen).toEqual([
      "[[1],[2],[3,4]]",
      "[[1],[2],[4],[3]]",
      "[[1],[2,4],[3]]",
      "[[1],[4],[2],[3]]",
      "[[1,4],[2],[3]]",
      "[[4],[1],[2],[3]]",
    ]);
  });

  test("going down undoes going up", () => {
    let rows: Rows = inOrder;
    for (let step = 0; step < 6; step += 1) rows = moveUp(rows, 4);
    for (let step = 0; step < 6; step += 1) rows = moveDown(rows, 4);
    expect(toTiers(rows)).toEqual([[1], [2], [3], [4]]);
  });

  test("the best cannot go higher, the worst cannot go lower", () => {
    expect(moveUp(inOrder, 1)).toEqual(inOrder);
    expect(moveDown(inOrder, 4)).toEqual(inOrder);
  });

  test("leaving a tie in the last row downwards makes room above", () => {
    expect(toTiers(moveDown([[], [1], [2, 3]], 2))).toEqual([[1], [3], [2]]);
  });

  test("no step loses or doubles a completion", () => {
    let rows: Rows = [[1, 2, 3, 4], [], [], []];
    const moves = [moveUp, moveDown, tieWithAbove];
    for (let step = 0; step < 500; step += 1) {
      const move = moves[(step * 7 + (step >> 3)) % 3] ?? moveUp;
      rows = move(rows, 1 + ((step * 13) % 4));
      expect([...rows.flat()].sort()).toEqual([1, 2, 3, 4]);
      expect(rows.length).toBe(4);
    }
  });
});

describe("ties and standing", () => {
  test("= ties with the nearest one above, across empty rows", () => {
    expect(toTiers(tieWithAbove([[1], [], [], [2]], 2))).toEqual([[1, 2]]);
    expect(tieWithAbove([[1], [2]], 1)).toEqual([[1], [2]]);
    expect(toTiers(tieWithAbove([[1], [2], []], 3))).toEqual([[1], [2, 3]]);
  });

  test("standing counts tiers, not rows", () => {
    expect(standingOf([[], [1, 3], [], [2]], 3)).toEqual({ tier: 1, numTiers: 2, tiedWith: [1] });
    expect(standingOf(emptyRows(3), 1)).toBeNull();
  });
});
