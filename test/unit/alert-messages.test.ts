import { expect, it } from 'vitest';
import { detect } from '../../src/alerts/detect.js';
import type { Installed, RefusalEvidence } from '../../src/alerts/detection-input.js';
import { missed, situation } from '../support/detection-inputs.js';

const INSTALLED: Installed = {
  webhookMode: 'direct',
  tokenKeys: [2],
  svixSecrets: 1,
  webhookMaxBytes: 2048,
};

it.each<[string, Partial<RefusalEvidence>, RegExp[], Partial<Installed>?]>([
  [
    'a public address with the right secret',
    { cause: 'address_not_allowed', secret: 'right', address: '52.1.2.3' },
    [
      /^Callbacks with a valid secret come from 52\.1\.2\.3, which WEBHOOK_IP_ALLOWLIST does not hold\. /,
      /If Reducto sends from there now, add it to WEBHOOK_IP_ALLOWLIST\. If it is a proxy .* TRUSTED_PROXIES/,
    ],
  ],
  [
    'a private address',
    { cause: 'address_not_allowed', secret: 'right', address: '10.0.0.9' },
    [/looks like a proxy of your own: list it in TRUSTED_PROXIES/],
  ],
  [
    'an address that forwards',
    { cause: 'address_not_allowed', secret: 'right', address: '52.1.2.3', forwarded: true },
    [/looks like a proxy of your own: list it in TRUSTED_PROXIES/],
  ],
  [
    'a key that is gone',
    { tried: 'token key 1' },
    [/do not fit TOKEN_KEYS.*signed with key 1\./, /TOKEN_KEYS=<new key>,1:<old key>/],
  ],
  [
    'a key that has the number of one that is there',
    { tried: 'token key 2' },
    [
      /signed with key 2\./,
      /has a key 2\. So the processes that receive callbacks have another list/,
    ],
  ],
  ['no token', { cause: 'token_missing' }, [/without the token/, /sends back the metadata/]],
  [
    'no token where Svix should sign',
    { cause: 'token_missing' },
    [/without the token/, /let your proxy pass on the headers svix-id/],
    { webhookMode: 'svix' },
  ],
  [
    'another Svix secret',
    { cause: 'signature_invalid', tried: 'svix signature' },
    [/none of the secrets in SVIX_SECRETS \(3 in/, /Copy the signing secret/],
    { svixSecrets: 3 },
  ],
  ['no Svix secret', { cause: 'svix_not_configured' }, [/SVIX_SECRETS is empty/]],
  ['some headers of Svix', { cause: 'signature_incomplete' }, [/part of the headers/, /proxy/]],
  ['a clock', { cause: 'signature_stale' }, [/five minutes off/, /NTP/]],
  ['large bodies', { cause: 'too_large' }, [/WEBHOOK_MAX_BYTES \(2048/, /Raise WEBHOOK_MAX_BYTES/]],
  ['another method', { cause: 'wrong_method' }, [/as POST/, /redirect from http to https/]],
  ['another type', { cause: 'wrong_content_type' }, [/application\/json/, /proxy/]],
  ['no JSON', { cause: 'not_json' }, [/no JSON/, /compress/]],
  ['another form', { cause: 'not_a_callback' }, [/not of the form/, /Reducto has changed/]],
  ['another id', { cause: 'upstream_id_mismatch', secret: 'right' }, [/under ids of Reducto/]],
])('%s', (_, some, expected, installed) => {
  const found = detect(situation(missed(3, some), { installed: { ...INSTALLED, ...installed } }));
  const text = found.map(({ message, advice }) => `${message} ${advice}`);
  expect(text).toHaveLength(1);
  for (const part of expected) expect(text[0]).toMatch(part);
});

it('names the main addresses, and how many others there are', () => {
  const addresses = ['a', 'a', 'a', 'b', 'b', 'c', 'c', 'd', 'e', 'f', 'g'];
  const traces = addresses.flatMap((address) =>
    missed(1, {
      address,
      cause: 'address_not_allowed',
      secret: address === 'b' ? 'wrong' : 'right',
    }),
  );
  const [found] = detect(situation(traces));
  expect(found?.message).toContain('come from a, b, c and 4 more, which');
  expect(found?.evidence.addresses.slice(0, 2)).toEqual([
    { address: 'a', refusals: 3, secret: 'right' },
    { address: 'b', refusals: 2, secret: 'wrong' },
  ]);
  expect(found?.evidence.otherAddresses).toBe(2);
});
