import type { JSX } from 'preact';
import type { TimelineEntry } from '../../jobs/jobs-admin.service.js';
import type { Job } from '../../jobs/job.entity.js';
import { isRecord } from '../../platform/json/is-record.js';
import { DataTable } from '../components/data-table.js';
import { Details } from '../components/details.js';
import { preciseDuration } from '../components/format.js';
import { EVENT_LABELS, SETTLED_BY, SETTLED_BY_NAMES } from '../components/job-labels.js';
import { link } from '../components/page.js';
import { Moment, None } from '../components/widgets.js';

/** One part of the timeline; `nextCursor` is where the next one begins, if there is one. */
export function JobTimeline({
  job,
  events,
  nextCursor,
}: {
  job: Job;
  events: readonly TimelineEntry[];
  nextCursor: string | undefined;
}): JSX.Element {
  return (
    <>
      <DataTable
        caption="What happened to the job"
        columns={[
          { head: 'Time (UTC)', cell: ({ at }) => <Moment at={at} precise /> },
          { head: 'Step took', numeric: true, cell: ({ since }) => since ?? <None /> },
          { head: 'Event', main: true, cell: ({ label }) => label },
          {
            head: 'Detail',
            wide: true,
            cell: ({ detail }) => <Details value={detail} ours />,
          },
        ]}
        rows={stepsOf(job, events, nextCursor === undefined)}
        keyOf={({ id }) => id}
        empty={<p>The timeline has no events.</p>}
      />
      {nextCursor === undefined ? null : (
        <p>
          <a href={link(`/admin/jobs/${job.id}`, { cursor: nextCursor })}>Later events</a>
        </p>
      )}
    </>
  );
}

interface Entry {
  readonly id: string;
  readonly at: Date;
  readonly label: string;
  readonly detail: object;
}

interface Step extends Entry {
  /** How long after the event before it. */
  readonly since: string | undefined;
}

/** With the word of the page for how the gateway learned of an end. */
function detailOf({ detail }: TimelineEntry): object {
  const by = SETTLED_BY.find((known) => isRecord(detail) && known === detail['settledBy']);
  return by === undefined ? detail : { ...detail, settledBy: SETTLED_BY_NAMES[by] };
}

/** `isLast`: the last part of the timeline, which has the deletion. */
function stepsOf(job: Job, events: readonly TimelineEntry[], isLast: boolean): Step[] {
  const entries = events.map((event): Entry => {
    return {
      id: event.id,
      at: event.at,
      label: EVENT_LABELS[event.type],
      detail: detailOf(event),
    };
  });
  if (isLast && job.deletionRequestedAt !== null) {
    const at = job.deletionRequestedAt;
    entries.push({ id: 'deletion', at, label: 'Deleted by its service', detail: {} });
    entries.sort((one, other) => one.at.getTime() - other.at.getTime());
  }
  return entries.map((entry, n) => {
    const before = entries[n - 1];
    const since =
      before === undefined ? undefined : preciseDuration(entry.at.getTime() - before.at.getTime());
    return { ...entry, since };
  });
}
