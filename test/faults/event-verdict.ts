import { isTerminal } from './case.js';
import type { JobRecord } from './job-record.js';
import type { Endpoint, ListedEvent, Receipt } from './receivers.js';
import type { Promised, Violation } from './verdict.js';

export interface EventEvidence {
  readonly records: readonly JobRecord[];
  readonly endpoints: readonly Endpoint[];
  readonly receipts: readonly Receipt[];
  readonly listed: readonly ListedEvent[];
}

/** Compares events and deliveries with the ends of jobs. */
export function judgeEvents(evidence: EventEvidence): Violation[] {
  const { records, endpoints, receipts, listed } = evidence;
  const receiptsOf = Map.groupBy(receipts, ({ jobId }) => jobId);
  const eventsOf = Map.groupBy(listed, ({ jobId }) => jobId);
  const known = new Set(records.flatMap(({ ids }) => ids));
  const strays = receipts.filter(({ jobId }) => !known.has(jobId));
  return [
    ...records.flatMap((record) => {
      const end = endOf(record);
      if (end === undefined) return [];
      const own = receiptsOf.get(end.jobId) ?? [];
      return [
        ...oneEvent(record, end, eventsOf.get(end.jobId) ?? [], own),
        ...undelivered(record, end, endpoints, own),
        ...misdelivered(record, end, own),
      ];
    }),
    ...strays.map(({ jobId }) => violation('leaked', `an event of the unknown job ${jobId}`)),
  ];
}

/** Whether every end has been accepted by each endpoint that it matches. */
export function isDelivered({ records, endpoints, receipts }: EventEvidence): boolean {
  const receiptsOf = Map.groupBy(receipts, ({ jobId }) => jobId);
  return records.every((record) => {
    const end = endOf(record);
    if (end === undefined) return true;
    return undelivered(record, end, endpoints, receiptsOf.get(end.jobId) ?? []).length === 0;
  });
}

interface End {
  readonly jobId: string;
  readonly type: string;
}

function endOf({ ids: [jobId], last, first }: JobRecord): End | undefined {
  const reported = last ?? first;
  if (jobId === undefined || reported === undefined || !isTerminal(reported)) return undefined;
  return { jobId, type: `job.${reported.status}` };
}

function oneEvent(
  record: JobRecord,
  end: End,
  events: readonly ListedEvent[],
  receipts: readonly Receipt[],
): Violation[] {
  const types = [...events, ...receipts].map(({ type }) => type);
  const ids = new Set([...events.map(({ id }) => id), ...receipts.map(({ eventId }) => eventId)]);
  if (events.length === 1 && ids.size === 1 && types.every((type) => type === end.type)) return [];
  const what = `${end.type} of ${end.jobId}: ${events.length} events listed, ids [${[...ids].join(', ')}], types [${[...new Set(types)].join(', ')}]`;
  return [violation('event', what, record)];
}

function undelivered(
  record: JobRecord,
  end: End,
  endpoints: readonly Endpoint[],
  receipts: readonly Receipt[],
): Violation[] {
  return endpoints
    .filter((endpoint) => isMatch(endpoint, record, end))
    .filter((wanted) => !receipts.some((one) => one.endpoint === wanted && one.isAccepted))
    .map((endpoint) => violation('undelivered', `${end.type} to ${describe(endpoint)}`, record));
}

function misdelivered(record: JobRecord, end: End, receipts: readonly Receipt[]): Violation[] {
  return receipts
    .filter(({ endpoint }) => !isMatch(endpoint, record, end))
    .map(({ endpoint }) => violation('leaked', `${end.type} to ${describe(endpoint)}`, record));
}

function isMatch(
  { service, eventTypes, jobTypes }: Endpoint,
  { planned }: JobRecord,
  end: End,
): boolean {
  return (
    service === planned.service &&
    (eventTypes?.includes(end.type) ?? true) &&
    (jobTypes?.includes(planned.type) ?? true)
  );
}

function describe({ service, eventTypes = [], jobTypes = [] }: Endpoint): string {
  return `the endpoint of ${service} for [${[...eventTypes, ...jobTypes].join(', ')}]`;
}

function violation(promise: Promised, what: string, record?: JobRecord): Violation {
  return { promise, what, upstream: [], ...(record === undefined ? {} : { record }) };
}
