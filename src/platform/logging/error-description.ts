import { truncate } from '../text.js';

interface ErrorDescription {
  type: string;
  message: string;
  code?: string;
  stack?: string;
  cause?: ErrorDescription;
  /** Of an AggregateError. */
  errors?: ErrorDescription[];
}

const MAX_MESSAGE = 1000;
const MAX_DEPTH = 3;
const MAX_ERRORS = 3;

/**
 * An error as it may be logged: type, message, code, stack and cause. Nothing else of it, because
 * database errors carry their parameters and upstream errors their whole body.
 */
export function describeError(error: unknown, depth = 0): ErrorDescription {
  try {
    return error instanceof Error ? describeInstance(error, depth) : describeThrown(error);
  } catch {
    return { type: typeof error, message: 'an error that cannot be read' };
  }
}

function describeInstance(error: Error, depth: number): ErrorDescription {
  const { code, cause, name, message, stack } = error as Partial<
    Record<keyof NodeJS.ErrnoException, unknown>
  >;
  const errors: unknown = 'errors' in error ? error.errors : undefined;
  return {
    type: textOf(name),
    message: textOf(message),
    ...(typeof code === 'string' ? { code } : {}),
    ...(typeof stack === 'string' && depth === 0 ? { stack: stackFrames(stack) } : {}),
    ...(cause !== undefined && depth < MAX_DEPTH ? { cause: describeError(cause, depth + 1) } : {}),
    ...(Array.isArray(errors) && depth < MAX_DEPTH
      ? { errors: errors.slice(0, MAX_ERRORS).map((one) => describeError(one, depth + 1)) }
      : {}),
  };
}

/** What describes an error by convention. Other fields may hold data. */
const DESCRIBING = new Set(
  'name,message,msg,reason,error,type,title,code,status,statusCode,errno,syscall'.split(','),
);
const MAX_FIELDS = 10;

/** Anything thrown that is not an `Error`: texts as they are, objects without fields that may hold data. */
function describeThrown(thrown: unknown): ErrorDescription {
  if (typeof thrown !== 'object' || thrown === null) {
    return { type: typeof thrown, message: textOf(thrown) };
  }
  const fields = Object.entries(Object.getOwnPropertyDescriptors(thrown))
    .slice(0, MAX_FIELDS)
    .map(([name, { value }]: [string, PropertyDescriptor]) => {
      const isShown = DESCRIBING.has(name) && typeof value !== 'object' && value !== undefined;
      return `${name}: ${isShown ? textOf(value) : Array.isArray(value) ? 'array' : typeof value}`;
    });
  return { type: 'object', message: textOf(`not an Error: { ${fields.join(', ')} }`) };
}

/** `value` as bounded text; objects by their type alone. Runs no code of `value`. */
function textOf(value: unknown): string {
  const isObject = typeof value === 'object' && value !== null;
  const text = isObject || typeof value === 'function' ? typeof value : String(value);
  return truncate(text, MAX_MESSAGE);
}

/** The frames alone: the head of a stack repeats the message without its limit. */
function stackFrames(stack: string): string {
  return stack
    .split('\n')
    .filter((line) => /^\s+at /.test(line))
    .slice(0, 12)
    .join('\n');
}
