/** A value of a row. */
export type Cell =
  | null
  | boolean
  | number
  | bigint
  | string
  | Date
  | Uint8Array
  | Cell[]
  | { [field: string]: Cell }
  | Map<Cell, Cell>;

/** A row: its values by column. */
export interface Row {
  [column: string]: Cell;
}
