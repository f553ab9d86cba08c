import type { GatewayError } from '../../platform/errors/error-codes.js';

/** A sign-in that failed: the page is shown again, with the reason. */
export class SignInRefused extends Error {
  constructor(
    readonly error: GatewayError,
    readonly next: string,
  ) {
    super(error.message, { cause: error });
  }
}
