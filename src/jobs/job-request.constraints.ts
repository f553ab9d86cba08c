import { buildMessage, ValidateBy, type ValidationOptions } from 'class-validator';
import { isReference } from './source-references.js';

/** Refuses a field by name, whatever it holds. */
export const IsAbsent = (message: string): PropertyDecorator =>
  ValidateBy({
    name: 'isAbsent',
    validator: { validate: (value: unknown) => value === undefined, defaultMessage: () => message },
  });

/** One document or several, in any of the forms that Reducto takes. */
export const IsDocumentInput = (options?: ValidationOptions): PropertyDecorator =>
  ValidateBy(
    {
      name: 'isDocumentInput',
      validator: {
        validate: isDocumentInput,
        defaultMessage: buildMessage(
          () => 'is required: a URL, an upload id, a list of these, or the answer of an upload',
          options,
        ),
      },
    },
    options,
  );

/** No `jobid://`: where it is not translated it could reach the job of another service. */
export const IsNoReference = (): PropertyDecorator =>
  ValidateBy({
    name: 'isNoReference',
    validator: {
      validate: (value: unknown) => !holdsReference(value),
      defaultMessage: () => 'cannot be a jobid://',
    },
  });

export const MaxJsonBytes = (bytes: number): PropertyDecorator =>
  ValidateBy({
    name: 'maxJsonBytes',
    validator: {
      validate: (value: unknown) => Buffer.byteLength(JSON.stringify(value) ?? '') <= bytes,
      defaultMessage: () => `must be at most ${bytes} bytes of JSON`,
    },
  });

/** Whether a `jobid://` stands anywhere in `value`. */
export function holdsReference(value: unknown): boolean {
  if (Array.isArray(value)) return value.some(holdsReference);
  if (typeof value === 'object' && value !== null) return Object.values(value).some(holdsReference);
  return isReference(value);
}

function isDocumentInput(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0 && value.every(isLocation);
  if (typeof value === 'object' && value !== null)
    return 'file_id' in value && isLocation(value.file_id);
  return isLocation(value);
}

function isLocation(value: unknown): boolean {
  return typeof value === 'string' && value.trim() !== '' && value.length <= 16_384;
}
