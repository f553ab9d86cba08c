import type { JSX } from 'preact';
import type { RefusalDto } from '../../admin/refusal.dto.js';
import { DataTable } from './data-table.js';
import { AddressLink } from './refusal-links.js';
import { count } from './format.js';
import { Moment } from './widgets.js';

/** An entry that stands for many refusals. */
export function Counted({ refusal }: { refusal: RefusalDto }): JSX.Element {
  const addresses = Object.entries(refusal.addresses ?? {}).toSorted(([, a], [, b]) => b - a);
  return (
    <>
      <h2>Only counted</h2>
      <p>
        <b>{count(refusal.count ?? 0)}</b> callbacks with this reason arrived from{' '}
        <Moment at={refusal.firstAt} /> to <Moment at={refusal.lastAt} />, too fast to store each.
        They cannot be re-checked. The reconciler polls the jobs of genuine ones.
      </p>
      <DataTable
        caption="Main addresses"
        small
        captionHidden={false}
        columns={[
          { head: 'Address', main: true, cell: ([address]) => <AddressLink address={address} /> },
          { head: 'Refused', numeric: true, cell: ([, number]) => count(number) },
        ]}
        rows={addresses}
        keyOf={([address]) => address}
        empty={<p>No address is recorded.</p>}
      />
    </>
  );
}
