import { validate as isUuid } from 'uuid';
import { isServiceName } from '../access/service-name.js';
import {
  ENDPOINT_STATES,
  EVENT_TYPES,
  SHOWN_STATUSES,
  type EndpointSearch,
  type EventSearch,
} from '../deliveries/deliveries-admin.service.js';
import { truncate } from '../platform/text.js';

type Given = Readonly<Record<string, unknown>>;

/** The search of a page, which links pass on as it is. */
interface Asked<Search> {
  readonly search: Search;
  readonly cursor: string | undefined;
  /** Why values were left out of the search. */
  readonly problems: readonly string[];
}

export type AskedEndpoints = Asked<EndpointSearch>;
export type AskedEvents = Asked<EventSearch>;

export function askedEndpoints(given: Given): AskedEndpoints {
  const reader = new QueryReader(given);
  return reader.asked({
    service: reader.read('service', service, 'There is no such service.'),
    state: reader.read('state', oneOf(ENDPOINT_STATES), 'There is no such state.'),
  });
}

export function askedEvents(given: Given): AskedEvents {
  const reader = new QueryReader(given);
  return reader.asked({
    service: reader.read('service', service, 'There is no such service.'),
    type: reader.read('type', oneOf(EVENT_TYPES), 'There is no such type.'),
    status: reader.read('status', oneOf(SHOWN_STATUSES), 'There is no such status.'),
    endpointId: reader.read('endpointId', uuid, 'The ID of the endpoint is not a UUID.'),
    jobId: reader.read('jobId', uuid, 'The ID of the job is not a UUID.'),
  });
}

class QueryReader {
  private readonly problems: string[] = [];

  constructor(private readonly given: Given) {}

  read<T>(name: string, parse: (text: string) => T | undefined, problem: string): T | undefined {
    const text = this.textOf(name);
    if (text === '') return undefined;
    const value = parse(text);
    if (value === undefined) this.problems.push(problem);
    return value;
  }

  asked<Search>(search: Search): Asked<Search> {
    return { search, cursor: uuid(this.textOf('cursor')), problems: this.problems };
  }

  private textOf(name: string): string {
    const value = this.given[name];
    return typeof value === 'string' ? truncate(value.trim(), 129) : '';
  }
}

const service = (text: string): string | undefined => (isServiceName(text) ? text : undefined);

const uuid = (text: string): string | undefined => (isUuid(text) ? text.toLowerCase() : undefined);

const oneOf =
  <T extends string>(allowed: readonly T[]) =>
  (text: string): T | undefined =>
    allowed.find((known) => known === text);
