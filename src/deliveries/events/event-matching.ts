import { isRecord } from '../../platform/json/is-record.js';
import type { EndpointFilter } from '../endpoints/endpoints.store.js';
import { laneOf, SINGLE_LANE } from '../delivering/delivery-lane.js';
import { originOf } from '../endpoints/job-endpoints.js';

/** What endpoints filter events by. */
export interface NewEvent {
  readonly id: string;
  readonly service: string;
  readonly type: string;
  /** When it happened, if only endpoints that existed then get it. */
  readonly at?: Date;
  /** The endpoint that the event is about. */
  readonly endpointId?: string | null;
  /** Absent if the event is not about a job. */
  readonly job?: {
    readonly type: string;
    readonly channels: readonly string[] | null;
    /** The webhook that the job names. */
    readonly webhookUrl: string | null;
    /** JSON text. */
    readonly metadata: string | null;
  };
}

/** An event and an endpoint that gets it. */
export interface Match {
  readonly eventId: string;
  readonly endpointId: string;
  readonly lane: number;
}

/** The deliveries of `events`: each event for each endpoint of its service whose filters it passes. */
export function matchEndpoints(
  events: readonly NewEvent[],
  endpoints: readonly EndpointFilter[],
): Match[] {
  const byService = Map.groupBy(endpoints, ({ service }) => service);
  return events.flatMap((event) => {
    const metadataOf = onceRead(event.job?.metadata ?? null);
    return (byService.get(event.service) ?? [])
      .filter((endpoint) => passes(event, endpoint, metadataOf))
      .map((endpoint) => ({
        eventId: event.id,
        endpointId: endpoint.id,
        lane: endpoint.forJobs ? laneOf(event.job?.webhookUrl) : SINGLE_LANE,
      }));
  });
}

function passes(
  { type, at, endpointId, job }: NewEvent,
  {
    id,
    url,
    forJobs,
    createdAt,
    payloadFormat,
    eventTypes,
    channels,
    jobTypes,
    metadata,
  }: EndpointFilter,
  metadataOf: () => Readonly<Record<string, unknown>>,
): boolean {
  // A test goes to its endpoint alone, and no other event goes to the endpoint that it is about.
  if (type === 'endpoint.test' || endpointId === id) return false;
  if (forJobs) return typeof job?.webhookUrl === 'string' && originOf(job.webhookUrl) === url;
  if (at !== undefined && at < createdAt) return false;
  if (eventTypes !== null && !eventTypes.includes(type)) return false;
  // Reducto’s webhooks are only about jobs.
  if (job === undefined) return payloadFormat === 'event';
  if (jobTypes !== null && !jobTypes.includes(job.type)) return false;
  if (channels !== null && job.channels?.some((one) => channels.includes(one)) !== true) {
    return false;
  }
  return metadata === null || hasMembers(metadataOf(), metadata);
}

/** Whether each member of the JSON object `wanted` is a member of `metadata` with the same value. */
function hasMembers(metadata: Readonly<Record<string, unknown>>, wanted: string): boolean {
  const members: unknown = JSON.parse(wanted);
  if (!isRecord(members)) return false;
  return Object.entries(members).every(
    ([name, value]) => Object.hasOwn(metadata, name) && metadata[name] === value,
  );
}

/** Most endpoints have no filter of metadata, so that it is not parsed. */
function onceRead(text: string | null): () => Readonly<Record<string, unknown>> {
  let read: Readonly<Record<string, unknown>> | undefined;
  return () => {
    if (read === undefined) {
      const parsed: unknown = text === null ? {} : JSON.parse(text);
      read = isRecord(parsed) ? parsed : {};
    }
    return read;
  };
}
