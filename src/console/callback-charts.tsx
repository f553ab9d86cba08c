import type { JSX } from 'preact';
import { DataTable } from './data-table.js';
import type { Timeline } from './overview.service.js';
import { link } from './page.js';
import { count } from './widgets.js';

/** Causes that the chart tells apart; the others are one. */
const MOST_CAUSES = 6;

/** Accepted and refused callbacks over time, and the sums beside it. */
export function CallbackCharts({ timeline }: { timeline: Timeline }): JSX.Element {
  const accepted = timeline.accepted.reduce((sum, number) => sum + number, 0);
  const refused = timeline.refused.reduce((sum, { total }) => sum + total, 0);
  const from = timeline.slots[0];
  if (accepted + refused === 0) {
    return (
      <div class="empty">
        <p>
          Accepted and refused callbacks are drawn here over time, by cause. In this time none came.
        </p>
      </div>
    );
  }
  return (
    <div class="callbacks">
      <div class="charts" data-chart>
        <figure>
          <figcaption>
            Accepted <b>{count(accepted)}</b>
          </figcaption>
          <div class="canvas low">
            <canvas data-accepted role="img" aria-label="Accepted callbacks over time" />
          </div>
        </figure>
        <figure>
          <figcaption>
            Refused, by cause <b>{count(refused)}</b> <span data-cut hidden />
          </figcaption>
          <div class="canvas">
            <canvas
              data-refused
              role="img"
              aria-label="Refused callbacks over time, by cause; the table has the sums"
            />
          </div>
        </figure>
        <noscript>
          <p class="muted">The charts need JavaScript; the table has the sums.</p>
        </noscript>
        <ChartData timeline={timeline} />
      </div>
      <DataTable
        caption="Refused in this time"
        captionHidden={false}
        small
        columns={[
          {
            head: 'Cause',
            main: true,
            cell: ({ cause, name, place }) => (
              <a href={link('/admin/refusals', { cause, from })}>
                <span class={`swatch c${place}`} aria-hidden="true" />
                {name}
              </a>
            ),
          },
          { head: 'Refused', numeric: true, cell: ({ total }) => count(total) },
        ]}
        rows={timeline.refused.map((series, n) => ({ ...series, place: Math.min(n, MOST_CAUSES) }))}
        keyOf={({ cause }) => cause}
        empty={<p>In this time none was refused.</p>}
      />
    </div>
  );
}

/** The figures for the script. `<` is escaped, so that nothing in them can end the element. */
function ChartData({ timeline }: { timeline: Timeline }): JSX.Element {
  const { slots, slotSeconds, accepted, refused } = timeline;
  const shown = refused.slice(0, MOST_CAUSES).map(({ name, counts }) => ({ name, counts }));
  const others = refused.slice(MOST_CAUSES);
  if (others.length > 0) {
    const counts = slots.map((_, n) =>
      others.reduce((sum, other) => sum + (other.counts[n] ?? 0), 0),
    );
    shown.push({ name: 'other causes', counts });
  }
  const data = JSON.stringify({ slots, slotSeconds, accepted, refused: shown });
  return (
    <script
      type="application/json"
      id="chart-data"
      dangerouslySetInnerHTML={{ __html: data.replaceAll('<', '\\u003c') }}
    />
  );
}
