import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { HmacSha256 } from '../../src/platform/crypto/hmac-sha256.js';

const hex = (text: string): Buffer => Buffer.from(text, 'hex');

/* The test cases of RFC 4231 that are texts; the last one has a key longer than a block. */
it.each([
  [
    Buffer.alloc(20, 0x0b),
    'Hi There',
    'b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7',
  ],
  [
    Buffer.from('Jefe'),
    'what do ya want for nothing?',
    '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
  ],
  [
    Buffer.alloc(131, 0xaa),
    'Test Using Larger Than Block-Size Key - Hash Key First',
    '60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54',
  ],
])('computes the code that RFC 4231 states (row %#)', (key, text, code) => {
  expect(new HmacSha256(key).of(text)).toBe(hex(code).toString('base64url'));
});

it("property: equals OpenSSL's result for any key and consecutive texts", () => {
  const texts = fc.array(fc.string({ unit: 'binary', maxLength: 300 }), { minLength: 1 });
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), texts, (key, given) => {
      const hmac = new HmacSha256(key);
      for (const text of given) {
        expect(hmac.of(text)).toBe(createHmac('sha256', key).update(text).digest('base64url'));
      }
    }),
    { numRuns: 300 },
  );
});

it('matches only the code of the same text', () => {
  const hmac = new HmacSha256(Buffer.from('a key'));
  const code = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 60 }),
    fc.string({ unit: 'binary', minLength: 43, maxLength: 43 }),
    fc.base64String({ minLength: 43, maxLength: 44 }),
  );
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), code, (text, other) => {
      const own = hmac.of(text);
      expect(hmac.matches(text, own)).toBe(true);
      expect(hmac.matches(text, other)).toBe(other === own);
      // What was compared last lies in the buffer still.
      expect(hmac.matches(text, `${own.slice(0, -1)}é`)).toBe(false);
      expect(hmac.matches(text, `${own.slice(0, -2)}é`)).toBe(false);
      expect(hmac.matches(`${text} `, own)).toBe(false);
    }),
    { numRuns: 300 },
  );
});
