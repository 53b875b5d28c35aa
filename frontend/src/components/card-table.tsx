import type { ReactNode } from "react";
import classes from "./card-table.module.css";

export interface Column<Row> {
  /** The heading; where there is no room for columns it stands beside each value. */
  head: string;
  cell: (row: Row) => ReactNode;
  isNumber?: boolean;
  /** A column of buttons: its heading is only read aloud. */
  isActions?: boolean;
}

interface CardTableProps<Row> {
  columns: Column<Row>[];
  rows: readonly Row[];
  keyOf: (row: Row) => string | number;
}

/** Said in so many words, because a browser may forget what is a table where the cards are laid out. */
const AS = {
  table: { role: "table" },
  part: { role: "rowgroup" },
  row: { role: "row" },
  head: { role: "columnheader" },
  cell: { role: "cell" },
};

/** A table of things; where it is too narrow for columns, a list of cards, each headed by its first cell. */
export function CardTable<Row>({ columns, rows, keyOf }: CardTableProps<Row>) {
  return (
    <div className={classes.frame}>
      <table className={classes.table} {...AS.table}>
        <thead {...AS.part}>
          <tr {...AS.row}>
            {columns.map(({ head, isNumber, isActions }) => (
              <th key={head} {...AS.head} scope="col" data-number={isNumber || undefined}>
                {isActions ? <span className="visually-hidden">{head}</span> : head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody {...AS.part}>
          {rows.map((row) => (
            <tr key={keyOf(row)} {...AS.row}>
              {columns.map(({ head, cell, isNumber, isActions }) => (
                <td
                  key={head}
                  {...AS.cell}
                  data-head={isActions ? undefined : head}
                  data-number={isNumber || undefined}
                  data-actions={isActions || undefined}
                >
                  {cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
