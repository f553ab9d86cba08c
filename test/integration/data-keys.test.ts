import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { examine } from '../../src/doctor/doctor.js';
import { DataCipher } from '../../src/platform/crypto/data-cipher.js';
import { Settings } from '../../src/platform/config/settings.js';
import { startGateway, type TestGateway } from '../support/gateway.js';

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(() => gateway.close());

const newKey = (version: number): string => `${version}:${randomBytes(32).toString('base64')}`;
const KEY = newKey(1);

/** An endpoint whose secret was stored with these settings. */
async function storeSecret(environment: Record<string, string>): Promise<void> {
  const id = randomUUID();
  const secret = new DataCipher(Settings.load(environment)).encrypt('whsec_planted', id);
  await gateway.pool.query(
    `INSERT INTO endpoints (id, service, url, secret) VALUES ($1, 'invoices', 'https://a.example.com/', $2)`,
    [id, secret],
  );
  onTestFinished(async () => {
    await gateway.pool.query('DELETE FROM endpoints WHERE id = $1', [id]);
  });
}

/** What the doctor reports about the keys of stored secrets. */
async function findings(dataKeys: string): Promise<string[]> {
  const { DATABASE_URL: url = '' } = gateway.settings;
  const read = Settings.read({ DATABASE_URL: url, DATA_KEYS: dataKeys, WEBHOOK_MODE: 'none' });
  const found = await examine({ ...read, timeoutMilliseconds: 2000 });
  return found
    .filter(({ check }) => check === 'data keys')
    .map(({ status, message }) => `${status}: ${message}`);
}

test('the doctor reports nothing if DATA_KEYS has each key', async () => {
  await storeSecret({ DATA_KEYS: KEY });
  expect(await findings(`${newKey(2)},${KEY}`)).toEqual([]);
});

test('the doctor reports a key that DATA_KEYS lacks', async () => {
  await storeSecret({ DATA_KEYS: KEY });
  expect(await findings(newKey(2))).toEqual([
    expect.stringMatching(
      /^fail: DATA_KEYS lacks key 1, which encrypted secrets of endpoints \(1\)/,
    ),
  ]);
});

test('the doctor warns of a secret that is older than DATA_KEYS', async () => {
  await storeSecret({});
  expect(await findings(KEY)).toEqual([expect.stringMatching(/^warn: .*plain text/)]);
});
