import type { ComponentChildren, JSX } from 'preact';

export interface TableColumn<Row> {
  readonly head: string;
  readonly cell: (row: Row) => ComponentChildren;
  readonly numeric?: boolean;
  /** On its own line in a narrow window. */
  readonly wide?: boolean;
  /** The header of the row for screen readers. */
  readonly main?: boolean;
}

/**
 * A table whose rows are cards in a narrow window, so every cell repeats its heading. The roles are explicit, because
 * browsers drop them with another `display`.
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
  /** Two columns that fit into a narrow window. */
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
  const className = numeric === true ? 'n' : wide === true ? 'wide' : undefined;
  return main === true ? (
    <th key={head} scope="row" role="rowheader" data-head={head} class={className ?? 'main'}>
      {cell(row)}
    </th>
  ) : (
    <td key={head} role="cell" data-head={head} class={className}>
      {cell(row)}
    </td>
  );
}
