import type { JSX } from 'preact';
import type { Timeline } from '../../admin/overview.service.js';
import { REFUSAL_CAUSES } from '../../audit/refusal.js';
import { DataTable } from '../components/data-table.js';
import { causeName } from '../text/refusal-help.js';
import { link } from '../components/page.js';
import { count } from '../components/format.js';

/** Accepted and refused callbacks over time. The table is the legend: its colors are those of the chart. */
export function CallbackCharts({ timeline, to }: { timeline: Timeline; to: Date }): JSX.Element {
  const accepted = timeline.accepted.reduce((sum, number) => sum + number, 0);
  const refused = timeline.refused.reduce((sum, { total }) => sum + total, 0);
  const from = timeline.slots[0];
  const end = to.toISOString();
  if (accepted + refused === 0) {
    return (
      <div class="empty">
        <p>No callback arrived in this time.</p>
      </div>
    );
  }
  return (
    <div class="callbacks">
      <div class="charts" data-chart>
        <figure>
          <figcaption>
            Accepted <b>{count(accepted)}</b> · times in UTC
          </figcaption>
          <div class="canvas low">
            <canvas data-accepted role="img" aria-label="Accepted callbacks over time" />
          </div>
        </figure>
        <figure>
          <figcaption>
            Refused, by reason <b>{count(refused)}</b> <span data-cut hidden />
          </figcaption>
          <div class="canvas">
            <canvas
              data-refused
              role="img"
              aria-label="Refused callbacks over time, by reason; the table has the sums"
            />
          </div>
        </figure>
        <noscript>
          <p class="muted">The charts need JavaScript; the table has the sums.</p>
        </noscript>
        <ChartData timeline={timeline} />
      </div>
      <DataTable
        caption="Refused in this time range"
        captionHidden={false}
        small
        columns={[
          {
            head: 'Reason',
            main: true,
            cell: ({ cause }) => (
              <a href={link('/admin/refusals', { cause, outcome: 'refused', from, to: end })}>
                <span class={`swatch ${colorOf(cause)}`} aria-hidden="true" />
                {causeName(cause)}
              </a>
            ),
          },
          { head: 'Refused', numeric: true, cell: ({ total }) => count(total) },
        ]}
        rows={timeline.refused}
        keyOf={({ cause }) => cause}
        empty={<p>No callback was refused in this time.</p>}
      />
    </div>
  );
}

/** Data for the script. `<` is escaped, so that no text in it can end the element. */
function ChartData({ timeline }: { timeline: Timeline }): JSX.Element {
  const { slots, slotSeconds, accepted, refused } = timeline;
  const series = refused.map(({ cause, counts }) => ({
    name: causeName(cause),
    color: colorOf(cause),
    counts,
  }));
  const data = JSON.stringify({ slots, slotSeconds, accepted, refused: series });
  return (
    <script
      type="application/json"
      id="chart-data"
      dangerouslySetInnerHTML={{ __html: data.replaceAll('<', '\\u003c') }}
    />
  );
}

/** The color depends on the cause alone, so that it is the same in every chart. */
function colorOf(cause: string): string {
  const place = REFUSAL_CAUSES.findIndex((known) => known === cause);
  return place === -1 ? 'c-other' : `c${place}`;
}
