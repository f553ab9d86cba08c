import { buildMessage, ValidateBy, type ValidationOptions } from 'class-validator';
import type { FieldError } from '../../platform/errors/error-codes.js';
import { MAX_FIELD_ERRORS } from '../../platform/errors/field-errors.js';
import { isRecord } from '../../platform/json/is-record.js';

/** Rejects any value of a field. */
export const IsAbsent = (message: string): PropertyDecorator =>
  ValidateBy({
    name: 'isAbsent',
    validator: { validate: (value: unknown) => value === undefined, defaultMessage: () => message },
  });

/** Rejects a field beside the field `other`. */
export const IsWithout = (other: string): PropertyDecorator =>
  ValidateBy({
    name: 'isWithout',
    validator: {
      validate: (_value: unknown, given) =>
        given === undefined || (Reflect.get(given.object, other) ?? undefined) === undefined,
      defaultMessage: () => `cannot be given together with \`${other}\``,
    },
  });

/** One or several documents, in any form that Reducto accepts. */
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

/** The errors of the items of a split description. */
export function splitDescriptionErrors(parts: unknown): FieldError[] {
  return errorsOfItems('split_description', parts, ({ name, description }) => [
    ...(isText(name) ? [] : [{ path: 'name', message: 'must be a string' }]),
    ...(isText(description) ? [] : [{ path: 'description', message: 'must be a string' }]),
  ]);
}

/** The errors of the items of a classification schema. */
export function classificationErrors(categories: unknown): FieldError[] {
  return errorsOfItems('classification_schema', categories, ({ category, criteria }) => [
    ...(isText(category) ? [] : [{ path: 'category', message: 'must be a string' }]),
    ...(Array.isArray(criteria) && criteria.every(isText)
      ? []
      : [{ path: 'criteria', message: 'must be a list of strings' }]),
  ]);
}

/** As many as an answer shows. */
function errorsOfItems(
  field: string,
  items: unknown,
  errorsOf: (item: Record<string, unknown>) => FieldError[],
): FieldError[] {
  const errors: FieldError[] = [];
  if (!Array.isArray(items)) return errors;
  for (const [index, item] of items.entries()) {
    for (const { path, message } of errorsOf(isRecord(item) ? item : {}))
      errors.push({ path: `${field}.${index}.${path}`, message });
    if (errors.length >= MAX_FIELD_ERRORS) break;
  }
  return errors;
}

function isText(value: unknown): boolean {
  return typeof value === 'string';
}

function isDocumentInput(value: unknown): boolean {
  if (Array.isArray(value)) return value.every(isText);
  if (typeof value === 'object' && value !== null)
    return 'file_id' in value && isText(value.file_id);
  return isText(value);
}
