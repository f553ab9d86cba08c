import { CHANNEL, CHANNEL_RULE, MAX_CHANNELS } from '../../jobs/job-ends.js';
import { JOB_TYPES } from '../../jobs/job-type.js';
import { GatewayError, type FieldError } from '../../platform/errors/error-codes.js';
import { cutName, MAX_FIELD_ERRORS } from '../../platform/errors/field-errors.js';
import { isRecord } from '../../platform/json/is-record.js';
import { EVENT_TYPES } from '../events/event.entity.js';
import { problemOfHeaders } from '../sending/custom-headers.js';
import { PAYLOAD_FORMATS, type PayloadFormat } from './endpoint.entity.js';

/** What a service decides about its endpoint. */
export interface EndpointSettings {
  readonly url: string;
  readonly description: string | null;
  readonly enabled: boolean;
  readonly eventTypes: string[] | null;
  readonly channels: string[] | null;
  readonly jobTypes: string[] | null;
  /** JSON text. */
  readonly metadata: string | null;
  readonly headers: Readonly<Record<string, string>> | null;
  readonly rateLimitPerSecond: number | null;
  readonly retrySchedule: number[] | null;
  readonly payloadFormat: PayloadFormat;
  readonly includeResult: boolean;
  readonly svixHeaders: boolean;
}

export const MAX_URL = 2048;
export const MAX_DESCRIPTION = 500;
export const MAX_METADATA_MEMBERS = 20;
export const MAX_RATE = 10_000;
export const MAX_RETRIES = 20;
export const MAX_RETRY_SECONDS = 259_200;

export const DEFAULTS: Omit<EndpointSettings, 'url'> = {
  description: null,
  enabled: true,
  eventTypes: null,
  channels: null,
  jobTypes: null,
  metadata: null,
  headers: null,
  rateLimitPerSecond: null,
  retrySchedule: null,
  payloadFormat: 'event',
  includeResult: false,
  svixHeaders: false,
};

class Invalid extends Error {
  constructor(
    message: string,
    readonly path?: string | number,
  ) {
    super(message);
  }
}

type Read<T> = (value: unknown) => T;

const text =
  (max: number): Read<string> =>
  (value) => {
    // PostgreSQL stores neither NUL nor lone surrogates.
    if (typeof value !== 'string' || value.length > max || /\0/.test(value)) {
      throw new Invalid(`must be a text of at most ${max} characters`);
    }
    return value.toWellFormed();
  };

const boolean: Read<boolean> = (value) => {
  if (typeof value !== 'boolean') throw new Invalid('must be true or false');
  return value;
};

const integer =
  (min: number, max: number): Read<number> =>
  (value) => {
    if (!Number.isInteger(value) || Number(value) < min || Number(value) > max) {
      throw new Invalid(`must be a whole number from ${min} to ${max}`);
    }
    return Number(value);
  };

const listOf =
  <T>(min: number, max: number, item: Read<T>): Read<T[]> =>
  (value) => {
    if (!Array.isArray(value) || value.length < min || value.length > max) {
      throw new Invalid(`must be a list of ${min} to ${max} values`);
    }
    return value.map((one: unknown, n) => {
      try {
        return item(one);
      } catch (error) {
        throw error instanceof Invalid ? new Invalid(error.message, n) : error;
      }
    });
  };

const oneOf =
  <T extends string>(allowed: readonly T[]): Read<T> =>
  (value) => {
    const found = allowed.find((one) => one === value);
    if (found === undefined) throw new Invalid(`must be one of ${allowed.join(', ')}`);
    return found;
  };

const distinct =
  <T>(read: Read<T[]>): Read<T[]> =>
  (value) => [...new Set(read(value))];

const channel: Read<string> = (value) => {
  if (typeof value !== 'string' || !CHANNEL.test(value)) throw new Invalid(CHANNEL_RULE);
  return value;
};

const seconds: Read<number> = (value) => {
  if (typeof value !== 'number' || !(value >= 0) || value > MAX_RETRY_SECONDS) {
    throw new Invalid(`must be seconds from 0 to ${MAX_RETRY_SECONDS}`);
  }
  return value;
};

/** Larger numbers lose digits, so that other numbers of a job would be equal to them. */
const MAX_NUMBER = Number.MAX_SAFE_INTEGER;

/** Members with scalar values, because they are compared with those of a job. */
const metadata: Read<string> = (value) => {
  if (!isRecord(value) || Object.keys(value).length > MAX_METADATA_MEMBERS) {
    throw new Invalid(`must be an object with at most ${MAX_METADATA_MEMBERS} members`);
  }
  for (const [name, member] of Object.entries(value)) {
    const isScalar = member === null || ['string', 'number', 'boolean'].includes(typeof member);
    if (!isScalar || String(member).length > MAX_DESCRIPTION || name.length > MAX_DESCRIPTION) {
      throw new Invalid('must be a short text, a number, true, false, or null', name);
    }
    if (typeof member === 'number' && Math.abs(member) > MAX_NUMBER) {
      throw new Invalid(`must be a number up to ${MAX_NUMBER}; give larger ones as text`, name);
    }
  }
  return JSON.stringify(value);
};

const headers: Read<Readonly<Record<string, string>>> = (value) => {
  if (!isRecord(value)) throw new Invalid('must be an object');
  const problem = problemOfHeaders(value);
  if (problem !== undefined) throw new Invalid(problem);
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, String(one)]));
};

/** `null` resets a field that has a default. */
const orDefault =
  <T>(read: Read<T>, byDefault: T): Read<T> =>
  (value) =>
    value === null ? byDefault : read(value);

const orNull =
  <T>(read: Read<T>): Read<T | null> =>
  (value) =>
    value === null ? null : read(value);

const READERS: { readonly [Name in keyof EndpointSettings]: Read<EndpointSettings[Name]> } = {
  // The address policy checks it.
  url: text(MAX_URL),
  description: orNull(text(MAX_DESCRIPTION)),
  enabled: orDefault(boolean, true),
  eventTypes: orNull(distinct(listOf(1, EVENT_TYPES.length, oneOf(EVENT_TYPES)))),
  channels: orNull(distinct(listOf(1, MAX_CHANNELS, channel))),
  jobTypes: orNull(distinct(listOf(1, JOB_TYPES.length, oneOf(JOB_TYPES)))),
  metadata: orNull(metadata),
  headers: orNull(headers),
  rateLimitPerSecond: orNull(integer(1, MAX_RATE)),
  retrySchedule: orNull(listOf(0, MAX_RETRIES, seconds)),
  payloadFormat: orDefault(oneOf(PAYLOAD_FORMATS), 'event'),
  includeResult: orDefault(boolean, false),
  svixHeaders: orDefault(boolean, false),
};

const isField = (name: string): name is keyof EndpointSettings => Object.hasOwn(READERS, name);

/** Reads the body that creates an endpoint. Throws `validation_failed`. */
export function readNewEndpoint(body: unknown): EndpointSettings {
  const read = readFields(body);
  if (read.url === undefined) throw invalid([{ path: 'url', message: 'is required' }]);
  return { ...DEFAULTS, ...read, url: read.url };
}

/** Throws `validation_failed` if a setting has no effect in the form of Reducto, whose webhooks are only about jobs. */
export function checkFormat({
  payloadFormat,
  includeResult,
  eventTypes,
}: Pick<EndpointSettings, 'payloadFormat' | 'includeResult' | 'eventTypes'>): void {
  if (payloadFormat !== 'reducto') return;
  const errors = (eventTypes ?? []).flatMap((type, n) => {
    if (type.startsWith('job.')) return [];
    const message = `${type} is not sent with payloadFormat reducto, which has only ends of jobs`;
    return [{ path: `eventTypes.${n}`, message }];
  });
  if (includeResult) {
    const message = 'must be false with payloadFormat reducto, which has no results';
    errors.push({ path: 'includeResult', message });
  }
  if (errors.length > 0) throw invalid(errors);
}

/** Reads the body that changes an endpoint. Throws `validation_failed`. */
export function readFields(body: unknown): Partial<EndpointSettings> {
  if (!isRecord(body)) throw new GatewayError('validation_failed', 'Send a JSON object.');
  const errors: FieldError[] = [];
  const fields: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(body)) {
    if (!isField(name)) {
      errors.push({ path: cutName(name), message: 'is not known' });
      continue;
    }
    try {
      fields[name] = READERS[name](value);
    } catch (error) {
      if (!(error instanceof Invalid)) throw error;
      const path = error.path === undefined ? name : `${name}.${error.path}`;
      errors.push({ path: cutName(path), message: error.message });
    }
  }
  if (errors.length > 0) throw invalid(errors.slice(0, MAX_FIELD_ERRORS));
  return fields;
}

function invalid(errors: readonly FieldError[]): GatewayError {
  return new GatewayError('validation_failed', undefined, { errors });
}
