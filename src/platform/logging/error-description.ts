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
 * The loggable part of an error: type, message, code, stack, and cause. Other properties may contain data, such as the
 * parameters of a statement or the body of an answer.
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

/** Fields that describe an error by convention. Others may contain data. */
const DESCRIBING = new Set(
  'name,message,msg,reason,error,type,title,code,status,statusCode,errno,syscall'.split(','),
);
const MAX_FIELDS = 10;

/** A thrown value that is not an `Error`; fields that may contain data are left out. */
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

/** `value` as bounded text; only the type of an object. Runs no code of `value`. */
function textOf(value: unknown): string {
  const isObject = typeof value === 'object' && value !== null;
  const text = isObject || typeof value === 'function' ? typeof value : String(value);
  return truncate(text, MAX_MESSAGE);
}

/** Only the frames: the head of a stack repeats the message without a limit. */
function stackFrames(stack: string): string {
  return stack
    .split('\n')
    .filter((line) => /^\s+at /.test(line))
    .slice(0, 12)
    .join('\n');
}
