import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { AddressPolicy } from '../../src/deliveries/sending/address-policy.js';
import { Settings } from '../../src/platform/config/settings.js';
import { codeOf, receiverWith, resolver, send, senderWith } from '../support/event-sender.js';
import { FakeResolver } from '../support/fake-resolver.js';
import { startGateway, type TestGateway } from '../support/gateway.js';
import { accept } from '../support/receiver.js';

describe('the address of a connection', () => {
  /** Without loopback, so that a connection to a listener here is a forbidden one. */
  const forbidding = () => senderWith({ DELIVERY_ALLOWED_NETWORKS: '10.255.0.0/16' });

  test.each([
    '127.0.0.1',
    '127.1',
    '0x7f.1',
    '0177.0.0.1',
    '2130706433',
    '127.0.0.2',
    '[::1]',
    '[::ffff:127.0.0.1]',
    '[::127.0.0.1]',
    '[64:ff9b::127.0.0.1]',
    '0.0.0.0',
    '0',
    '[::]',
  ])('is never a forbidden one: %s', async (host) => {
    const receiver = await receiverWith();
    expect(codeOf(await send(`http://${host}:${receiver.port}/`, {}, forbidding()))).toBe(
      'address_refused',
    );
    expect(receiver.connections()).toBe(0);
  });

  test.each([['127.0.0.1'], ['::1'], ['::ffff:127.0.0.1'], ['0.0.0.0'], ['127.0.0.1', '::1']])(
    'is never a forbidden one of a name: %s %s',
    async (...addresses) => {
      const receiver = await receiverWith();
      resolver.answers.set('rebound.example.com', addresses);
      const url = `https://rebound.example.com:${receiver.port}/`;
      expect(codeOf(await send(url, {}, forbidding()))).toBe('address_refused');
      expect(receiver.connections()).toBe(0);
    },
  );

  test('is checked again after a change of the DNS', async () => {
    const receiver = await receiverWith();
    const settings = Settings.load({ DELIVERY_ALLOWED_NETWORKS: '10.255.0.0/16' });
    const policy = new AddressPolicy(settings, resolver);
    const url = `https://rebound.example.com:${receiver.port}/`;
    resolver.answers.set('rebound.example.com', ['1.1.1.1']);
    await policy.checkUrl(url);
    resolver.answers.set('rebound.example.com', ['127.0.0.1']);
    expect(codeOf(await send(url, {}, forbidding()))).toBe('address_refused');
    expect(receiver.connections()).toBe(0);
  });

  test('is the one that was checked: the name is resolved once for a connection', async () => {
    const [first, second] = [await receiverWith(), await receiverWith()];
    class Rebinding extends FakeResolver {
      /** Allowed at the first request, forbidden from then on. */
      override async resolve(name: string) {
        await super.resolve(name).catch(() => undefined);
        const address = this.resolved.length === 1 ? '127.0.0.1' : '127.0.0.2';
        return [{ address, family: 4 }];
      }
    }
    const dns = new Rebinding();
    const sender = senderWith({ DELIVERY_ALLOWED_NETWORKS: '127.0.0.1/32' }, dns);
    expect(codeOf(await send(`http://rebound.test:${first.port}/`, {}, sender))).toBe('204');
    expect(dns.resolved).toEqual(['rebound.test']);
    expect(codeOf(await send(`http://rebound.test:${second.port}/`, {}, sender))).toBe(
      'address_refused',
    );
    expect([first.connections(), second.connections()]).toEqual([1, 0]);
  });

  test('is an allowed one of a name that also has forbidden ones, which are never tried', async () => {
    const allowed = await receiverWith(accept, { host: '127.0.0.2' });
    const forbidden = await receiverWith(accept, { host: '127.0.0.3', port: allowed.port });
    resolver.answers.set('mixed.test', ['127.0.0.3', '127.0.0.2']);
    const sender = senderWith({ DELIVERY_ALLOWED_NETWORKS: '127.0.0.2/32' });
    expect(codeOf(await send(`http://mixed.test:${allowed.port}/`, {}, sender))).toBe('204');
    expect(forbidden.connections()).toBe(0);
  });

  test('is not the database, also where its network is listed', async () => {
    const receiver = await receiverWith();
    resolver.answers.set('database.test', ['127.0.0.1']);
    const sender = senderWith({
      DELIVERY_ALLOWED_NETWORKS: '127.0.0.0/8',
      DATABASE_URL: `postgres://gateway@database.test:${receiver.port}/gateway`,
    });
    expect(codeOf(await send(receiver.url, {}, sender))).toBe('address_refused');
    expect(receiver.connections()).toBe(0);
  });

  test.each(['https://user:planted@127.0.0.1/', 'file:///etc/passwd', 'nonsense', ''])(
    'is not read from an invalid URL: %s',
    async (url) => {
      const outcome = await send(url);
      expect(codeOf(outcome)).toBe('address_refused');
      expect(JSON.stringify(outcome)).not.toContain('planted');
    },
  );
});

describe('an endpoint at a forbidden address', () => {
  let gateway: TestGateway;
  beforeAll(async () => {
    gateway = await startGateway();
  });
  afterAll(() => gateway.close());

  test.each([
    'http://10.0.0.1/',
    'https://169.254.169.254/latest/meta-data/',
    'http://[::ffff:127.0.0.1]:3000/',
    'http://1.1.1.1/',
    'https://user:planted@hooks.example.com/',
    'file:///etc/passwd',
    'https://[fe80::1%25eth0]/',
    'hooks.example.com',
  ])('is not created: %s', async (url) => {
    const { status, body } = await gateway.call('POST', '/v1/endpoints', { url });
    expect([status, body.code]).toEqual([422, 'endpoint_address_refused']);
    expect(body.errors).toMatchObject([{ path: 'url' }]);
    expect(JSON.stringify(body)).not.toContain('planted');
  });

  test('is not created at the database of the gateway', async () => {
    const { host } = new URL(gateway.settings.DATABASE_URL ?? '');
    const { body } = await gateway.call('POST', '/v1/endpoints', { url: `http://${host}/` });
    expect(body).toMatchObject({
      code: 'endpoint_address_refused',
      detail: expect.stringContaining('the database of the gateway'),
    });
  });

  test('is not set by a change', async () => {
    const url = 'http://127.0.0.1:4000/';
    const { body } = await gateway.call('POST', '/v1/endpoints', { url });
    const path = `/v1/endpoints/${String(body.id)}`;
    const changed = await gateway.call('PATCH', path, { url: 'http://10.0.0.1/' });
    expect([changed.status, changed.body.code]).toEqual([422, 'endpoint_address_refused']);
    expect((await gateway.call('GET', path)).body.url).toBe(url);
  });
});
