import { buildMessage, ValidateBy, type ValidationOptions } from 'class-validator';
import type { FieldError } from '../../platform/errors/error-codes.js';
import { isRecord } from '../../platform/json/is-record.js';

/** Maximum length of a list of documents or split descriptions. */
export const MAX_LIST_ITEMS = 1000;

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
        given === undefined || Reflect.get(given.object, other) === undefined,
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
          () =>
            `is required: a URL, an upload id, a list of at most ${MAX_LIST_ITEMS} of these, or the answer of an upload`,
          options,
        ),
      },
    },
    options,
  );

/** Validates the items of a split description. */
export function splitDescriptionErrors(parts: unknown): FieldError[] {
  if (!Array.isArray(parts) || parts.length > MAX_LIST_ITEMS) return [];
  return parts.flatMap((part: unknown, index) =>
    ['name', 'description']
      .filter((field) => !isRecord(part) || !isText(part[field]))
      .map((field) => ({
        path: `split_description.${index}.${field}`,
        message: 'must be a non-empty string',
      })),
  );
}

/** Validates the items of a classification schema. */
export function classificationErrors(categories: unknown): FieldError[] {
  if (!Array.isArray(categories) || categories.length > MAX_LIST_ITEMS) return [];
  return categories.flatMap((item: unknown, index) => {
    const { category, criteria } = isRecord(item) ? item : {};
    const path = `classification_schema.${index}`;
    return [
      ...(isText(category)
        ? []
        : [{ path: `${path}.category`, message: 'must be a non-empty string' }]),
      ...(Array.isArray(criteria) && criteria.every(isText)
        ? []
        : [{ path: `${path}.criteria`, message: 'must be a list of non-empty strings' }]),
    ];
  });
}

function isText(value: unknown): boolean {
  return typeof value === 'string' && value !== '';
}

function isDocumentInput(value: unknown): boolean {
  if (Array.isArray(value)) {
    return value.length > 0 && value.length <= MAX_LIST_ITEMS && value.every(isLocation);
  }
  if (typeof value === 'object' && value !== null)
    return 'file_id' in value && isLocation(value.file_id);
  return isLocation(value);
}

function isLocation(value: unknown): boolean {
  return typeof value === 'string' && value.length <= 16_384 && value.trim() !== '';
}
