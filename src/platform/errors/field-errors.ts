import {
  BadRequestException,
  HttpStatus,
  ValidationPipe,
  type ValidationPipeOptions,
} from '@nestjs/common';
import type { ValidationError } from 'class-validator';
import { GatewayError, type FieldError } from './error-codes.js';

/** class-validator's findings as a flat list, without the values that were given. */
export function fieldErrors(errors: readonly ValidationError[], parent = ''): FieldError[] {
  return errors.flatMap((error) => {
    const path = parent === '' ? error.property : `${parent}.${error.property}`;
    const messages = Object.values(error.constraints ?? {}).map((message) => ({
      path,
      message: message.replace(new RegExp(`^(each value in )?${escape(error.property)} `), '$1'),
    }));
    return [...messages, ...fieldErrors(error.children ?? [], path)];
  });
}

function escape(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

/** Validates bodies (422) and query strings (400) with class-validator; unknown fields are refused. */
export function validationPipe(options: ValidationPipeOptions = {}): ValidationPipe {
  return new ValidationPipe({
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
