import { expect, it } from 'vitest';
import { detect } from '../../src/alerts/detect.js';
import type { InstalledSettings, RefusalEvidence } from '../../src/alerts/detection-input.js';
import { missed, inputWith } from '../support/detection-inputs.js';
import { REFUSAL_REASONS } from '../../src/audit/refusal-reasons.js';
import { REFUSAL_CAUSES } from '../../src/audit/refusal.js';

const INSTALLED: InstalledSettings = {
  webhookMode: 'direct',
  tokenKeys: [2],
  svixSecrets: 1,
  webhookMaxBytes: 2048,
};

it.each<[string, Partial<RefusalEvidence>, RegExp[], Partial<InstalledSettings>?]>([
  [
    'a public address with the right secret',
    { cause: 'address_not_allowed', secret: 'right', address: '52.1.2.3' },
    [/They come from 52\.1\.2\.3\. Their secret is right\./, /\. If the address is your own proxy/],
  ],
  [
    'a private address',
    { cause: 'address_not_allowed', secret: 'right', address: '10.0.0.9' },
    [/This looks like a proxy of your own\./],
  ],
  [
    'an address that forwards',
    { cause: 'address_not_allowed', secret: 'right', address: '52.1.2.3', forwarded: true },
    [/This looks like a proxy of your own\./],
  ],
  [
    'a key that is gone',
    { tried: 'token key 1' },
    [/name key 1, which TOKEN_KEYS of this process does not/, /TOKEN_KEYS=<new key>,1:<old key>/],
  ],
  [
    'a key that has the number of one that is there',
    { tried: 'token key 2' },
    [/name key 2, which TOKEN_KEYS of this process holds: other processes have another list/],
  ],
  ['no token', { cause: 'token_missing' }, [/sends back the metadata/]],
  [
    'no token where Svix should sign',
    { cause: 'token_missing' },
    [/WEBHOOK_MODE=svix expects signed callbacks/, /make your proxy forward svix-id/],
    { webhookMode: 'svix' },
  ],
  [
    'another Svix secret',
    { cause: 'signature_invalid', tried: 'svix signature' },
    [/SVIX_SECRETS of this process has 3\./],
    { svixSecrets: 3 },
  ],
  ['large bodies', { cause: 'too_large' }, [/The limit is 2048 in this process\./]],
])('%s', (_, some, expected, installed) => {
  const found = detect(inputWith(missed(3, some), { installed: { ...INSTALLED, ...installed } }));
  const text = found.map(({ message, advice }) => `${message} ${advice}`);
  expect(text).toHaveLength(1);
  for (const part of expected) expect(text[0]).toMatch(part);
});

it('names the main addresses, and how many others there are', () => {
  const addresses = ['a', 'a', 'a', 'b', 'b', 'c', 'c', 'd', 'e', 'f', 'g'];
  const refusals = addresses.flatMap((address) =>
    missed(1, {
      address,
      cause: 'address_not_allowed',
      secret: address === 'b' ? 'wrong' : 'right',
    }),
  );
  const [found] = detect(inputWith(refusals));
  expect(found?.message).toContain('come from a, b, c and 4 more.');
  expect(found?.evidence.addresses.slice(0, 2)).toEqual([
    { address: 'a', refusals: 3, secret: 'right' },
    { address: 'b', refusals: 2, secret: 'wrong' },
  ]);
  expect(found?.evidence.otherAddresses).toBe(2);
});

it.each(REFUSAL_CAUSES)(
  'gives the reason and the remedies of %s as the table has them',
  (cause) => {
    const [found] = detect(inputWith(missed(3, { cause, secret: 'right', tried: undefined })));
    expect(found?.message).toContain(REFUSAL_REASONS[cause].why);
    expect(found?.advice).toContain(REFUSAL_REASONS[cause].remedies.join(' '));
  },
);
