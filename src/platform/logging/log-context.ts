import { AsyncLocalStorage } from 'node:async_hooks';

/** What every log line of the current request or work carries. */
export interface LogFields {
  requestId?: string;
  jobId?: string;
  service?: string;
  work?: string;
  traceId?: string;
}

const storage = new AsyncLocalStorage<LogFields>();

/** Runs `work` so that every line logged in it carries `fields`, beside those of the surrounding context. */
export function withLogFields<T>(fields: LogFields, work: () => T): T {
  return storage.run({ ...storage.getStore(), ...fields }, work);
}

/** Adds to the fields of the current request or work, once they are known. Without a context: nothing. */
export function addLogFields(fields: LogFields): void {
  const current = storage.getStore();
  if (current !== undefined) Object.assign(current, fields);
}

export function currentLogFields(): LogFields {
  return storage.getStore() ?? {};
}
