import { AsyncLocalStorage } from 'node:async_hooks';

/** Fields of every log line of the current request or work. */
export interface LogFields {
  requestId?: string;
  jobId?: string;
  eventId?: string;
  endpointId?: string;
  service?: string;
  /** Name and version of Reducto’s SDK that sent the request. */
  client?: string;
  work?: string;
  traceId?: string;
}

const storage = new AsyncLocalStorage<LogFields>();

/** Runs `work`, whose log lines get `fields` in addition to those of the surrounding context. */
export function withLogFields<T>(fields: LogFields, work: () => T): T {
  return storage.run({ ...storage.getStore(), ...fields }, work);
}

/** Adds fields to the current context; does nothing without one. */
export function addLogFields(fields: LogFields): void {
  const current = storage.getStore();
  if (current !== undefined) Object.assign(current, fields);
}

export function currentLogFields(): LogFields {
  return storage.getStore() ?? {};
}
