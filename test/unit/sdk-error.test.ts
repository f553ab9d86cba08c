import { expect, it } from 'vitest';
import { GatewayError } from '../../src/platform/errors/error-codes.js';
import { sdkError } from '../../src/reducto-api/sdk-error.js';

it.each([
  [0.2, '1'],
  [5, '5'],
  [300, '60'],
])('turns a wait of %d seconds into a Retry-After that SDKs obey', (seconds, header) => {
  const error = new GatewayError('unavailable', 'Later.', { retryAfterSeconds: seconds });
  expect(sdkError(error).headers).toEqual({ 'x-should-retry': 'true', 'retry-after': header });
});

it('answers no 409, which SDKs take for final or repeat at once, for a state that passes', () => {
  const { status, headers } = sdkError(new GatewayError('idempotency_key_in_use'));
  expect([status, headers['x-should-retry']]).toEqual([503, 'true']);
});
