import {
  BadRequestException,
  HttpStatus,
  ValidationPipe,
  type ArgumentMetadata,
  type ValidationPipeOptions,
} from '@nestjs/common';
import type { ValidationError } from 'class-validator';
import { GatewayError, type FieldError } from './error-codes.js';

/** Maximum findings in an answer. */
export const MAX_FIELD_ERRORS = 50;
const MAX_PATH = 200;
/** More values than any valid body or query has; the cost of class-validator grows with their square. */
const MAX_VALUES = 500;

/** class-validator's findings as a flat list of at most `MAX_FIELD_ERRORS`, without the given values. */
export function fieldErrors(errors: readonly ValidationError[]): FieldError[] {
  const found: FieldError[] = [];
  collectErrors(errors, '', found);
  return found;
}

function collectErrors(
  errors: readonly ValidationError[],
  parent: string,
  found: FieldError[],
): void {
  for (const error of errors) {
    const property = cutName(error.property);
    const path = cutName(parent === '' ? property : `${parent}.${property}`);
    for (const message of Object.values(error.constraints ?? {})) {
      if (found.length >= MAX_FIELD_ERRORS) return;
      found.push({ path, message: withoutName(message, error.property) });
    }
    collectErrors(error.children ?? [], path, found);
  }
}

/** Removes the field's name from the beginning of a message, because the path contains it. */
function withoutName(message: string, property: string): string {
  const each = message.startsWith('each value in ') ? 'each value in ' : '';
  const rest = message.slice(each.length);
  return cutName(
    rest.startsWith(`${property} `) ? each + rest.slice(property.length + 1) : message,
  );
}

/** Field names come from the caller and can be as long as the request. */
export function cutName(text: string): string {
  return text.length > MAX_PATH ? `${text.slice(0, MAX_PATH).toWellFormed()}…` : text;
}

/** Validates bodies (`validation_failed`) and query strings (`invalid_query`) with class-validator; unknown fields are refused. */
export function validationPipe(options: ValidationPipeOptions = {}): ValidationPipe {
  return new BoundedValidationPipe({
    transform: true,
    whitelist: true,
    forbidNonWhitelisted: true,
    errorHttpStatusCode: HttpStatus.UNPROCESSABLE_ENTITY,
    exceptionFactory: (errors) => {
      if (errors.length === 0) return new BadRequestException();
      return new GatewayError('validation_failed', undefined, { errors: fieldErrors(errors) });
    },
    ...options,
  });
}

class BoundedValidationPipe extends ValidationPipe {
  override transform(
    value: unknown,
    metadata: ArgumentMetadata,
  ): ReturnType<ValidationPipe['transform']> {
    if (this.toValidate(metadata) && hasMoreValuesThan(value, MAX_VALUES)) {
      const error = new GatewayError(
        'validation_failed',
        `More than ${MAX_VALUES} values were given.`,
      );
      throw metadata.type === 'query' ? asQueryError(error) : error;
    }
    return super.transform(value, metadata).catch((error: unknown) => {
      throw metadata.type === 'query' ? asQueryError(error) : error;
    });
  }
}

function asQueryError(error: unknown): unknown {
  if (!(error instanceof GatewayError) || error.code !== 'validation_failed') return error;
  return new GatewayError('invalid_query', error.detail, error.options);
}

/** Visits at most `limit` values. */
function hasMoreValuesThan(value: unknown, limit: number): boolean {
  const unvisited: unknown[] = [value];
  for (let visited = 0; unvisited.length > 0; visited++) {
    const item = unvisited.pop();
    const children = typeof item === 'object' && item !== null ? Object.values(item) : [];
    if (visited + unvisited.length + children.length > limit) return true;
    unvisited.push(...children);
  }
  return false;
}
