import type { ComponentChildren, JSX } from 'preact';

export interface TableColumn<Row> {
  readonly head: string;
  readonly cell: (row: Row) => ComponentChildren;
  readonly numeric?: boolean;
  /** Takes a line of its own in a narrow window. */
  readonly wide?: boolean;
  /** What names the row: its header for screen readers. */
  readonly main?: boolean;
}

/**
 * A table; in a narrow window each row becomes a card, which is why every cell repeats its heading and the
 * roles are given: a `display` of its own would make a browser forget that this is a table.
 */
export function DataTable<Row>({
  caption,
  columns,
  rows,
  keyOf,
  empty,
  captionHidden = true,
  small = false,
}: {
  caption: string;
  columns: readonly TableColumn<Row>[];
  rows: readonly Row[];
  keyOf: (row: Row) => string;
  empty: ComponentChildren;
  captionHidden?: boolean;
  /** Two columns that fit into a narrow window as they are. */
  small?: boolean;
}): JSX.Element {
  if (rows.length === 0) return <div class="empty">{empty}</div>;
  return (
    <table class={small ? 'data small' : 'data'} role="table">
      <caption class={captionHidden ? 'visually-hidden' : undefined}>{caption}</caption>
      <thead role="rowgroup">
        <tr role="row">
          {columns.map(({ head, numeric }) => (
            <th
              key={head}
              scope="col"
              role="columnheader"
              class={numeric === true ? 'n' : undefined}
            >
              {head}
            </th>
          ))}
        </tr>
      </thead>
      <tbody role="rowgroup">
        {rows.map((row) => (
          <tr key={keyOf(row)} role="row">
            {columns.map((column) => cellOf(column, row))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function cellOf<Row>({ head, cell, numeric, wide, main }: TableColumn<Row>, row: Row): JSX.Element {
  const look = numeric === true ? 'n' : wide === true ? 'wide' : undefined;
  return main === true ? (
    <th key={head} scope="row" role="rowheader" data-head={head} class={look ?? 'main'}>
      {cell(row)}
    </th>
  ) : (
    <td key={head} role="cell" data-head={head} class={look}>
      {cell(row)}
    </td>
  );
}
