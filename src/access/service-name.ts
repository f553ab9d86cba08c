import { Matches } from 'class-validator';

const SERVICE_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/;

export const SERVICE_NAME_RULE =
  'must be 1 to 100 letters, digits, dots, dashes or underscores, and begin with a letter or digit';

export function isServiceName(name: string): boolean {
  return SERVICE_NAME.test(name);
}

export const IsServiceName = (): PropertyDecorator =>
  Matches(SERVICE_NAME, { message: SERVICE_NAME_RULE });
