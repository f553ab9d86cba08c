import { isIPv4 } from 'node:net';
import { networkInterfaces } from 'node:os';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { AddressPolicy } from '../../src/deliveries/sending/address-policy.js';
import { Settings } from '../../src/platform/config/settings.js';
import { GatewayError } from '../../src/platform/errors/error-codes.js';
import { addressKind } from '../../src/platform/ip-address.js';
import { FakeResolver } from '../support/fake-resolver.js';

const DATABASE_URL = 'postgres://gateway:secret@10.9.9.9:5433/gateway';

interface Given {
  readonly production?: boolean;
  readonly networks?: string;
  readonly hosts?: string;
  readonly database?: string;
  readonly dns?: Readonly<Record<string, readonly string[]>>;
}

function policyOf({ production = true, networks = '', hosts = '', database, dns = {} }: Given) {
  const { settings } = Settings.read({
    NODE_ENV: production ? 'production' : 'development',
    DATABASE_URL: database ?? DATABASE_URL,
    DELIVERY_ALLOWED_NETWORKS: networks,
    DELIVERY_ALLOWED_HOSTS: hosts,
  });
  const resolver = new FakeResolver();
  for (const [name, addresses] of Object.entries(dns)) resolver.answers.set(name, addresses);
  return new AddressPolicy(settings, resolver);
}

/** The rule that forbids `url`; `undefined` if it is allowed. */
async function refusal(url: string, given: Given = {}): Promise<string | undefined> {
  try {
    await policyOf(given).checkUrl(url);
    return undefined;
  } catch (error) {
    if (!(error instanceof GatewayError) || error.code !== 'endpoint_address_refused') throw error;
    return error.detail;
  }
}

/** Lists everything that can be listed. */
const EVERYTHING: Given = { networks: '0.0.0.0/0, ::/0', hosts: '*.example.com, *.test, rebound' };

/** Never allowed, whatever the operator lists. */
const NEVER: Readonly<Record<string, readonly string[]>> = {
  'link-local': [
    'http://169.254.169.254/latest/meta-data/',
    'http://169.254.170.2/v2/credentials',
    'https://169.254.0.1/',
    'http://[fe80::1]/',
    'http://[fe80::a9fe:a9fe]/',
    'http://2852039166/',
    'http://0xa9fea9fe/',
    'http://0251.0376.0251.0376/',
    'http://169.254.43518/',
    'http://169.0xfea9fe/',
    'http://１６９.２５４.１６９.２５４/',
    'http://169。254。169。254/',
    'http://%31%36%39.254.169.254/',
    'http://169.254.169.254./',
  ],
  metadata: [
    'http://100.100.100.200/',
    'http://168.63.129.16/',
    'https://[fd00:ec2::254]/',
    'https://[fd00:ec2::23]/',
    'https://[fd00:42::42]/',
    'https://[fd00:a9fe:a9fe::1]/v1/token',
    'http://rancher-metadata/latest/',
    'https://api.metadata.cloud.ibm.com/',
    'http://[fd20:ce::254]/',
    'http://[fd00:c1::a9fe:a9fe]/',
    'http://metadata.google.internal/computeMetadata/v1/',
    'http://METADATA.google.internal/',
    'http://metadata/',
    'https://metadata.goog/',
    'http://metadata.azure.internal/',
    'http://instance-data.ec2.internal/',
    'http://metadata.tencentyun.com/',
  ],
  multicast: [
    'http://224.0.0.1/',
    'https://239.255.255.250/',
    'http://[ff02::1]/',
    'http://[ff0e::1]/',
  ],
  unspecified: ['http://0.0.0.0/', 'http://0/', 'http://0.1.2.3/', 'http://[::]/', 'http://0x0/'],
  broadcast: ['http://255.255.255.255/', 'http://4294967295/'],
  reserved: [
    'https://240.0.0.1/',
    'https://192.0.0.192/',
    'https://192.0.2.1/',
    'https://198.51.100.1/',
    'https://203.0.113.9/',
    'https://198.18.0.1/',
    'https://192.88.99.1/',
    'https://[2001:db8::1]/',
    'https://[3fff::1]/',
    'https://[fec0::1]/',
    'https://[100::1]/',
    'https://[4000::1]/',
    'https://[5f00::1]/',
  ],
  'IPv6 with an IPv4 address inside': [
    'http://[::ffff:127.0.0.1]/',
    'http://[::ffff:7f00:1]/',
    'http://[::ffff:169.254.169.254]/',
    'https://[::ffff:8.8.8.8]/',
    'http://[::127.0.0.1]/',
    'http://[::7f00:1]/',
    'http://[::ffff:0:127.0.0.1]/',
    'http://[64:ff9b::127.0.0.1]/',
    'http://[64:ff9b::a9fe:a9fe]/',
    'http://[64:ff9b::10.0.0.1]/',
    'http://[64:ff9b:1::10.0.0.1]/',
    'http://[2002:7f00:1::]/',
    'http://[2002:a9fe:a9fe::1]/',
    'http://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/',
    'http://[2620::5efe:10.0.0.1]/',
    'http://[0:0:0:0:0:ffff:127.0.0.1]/',
  ],
  'the database': ['http://10.9.9.9:5433/', 'https://10.9.9.9:5433/', 'http://168364297:5433/'],
  'no URL of an endpoint': [
    '',
    'hooks.example.com',
    '//hooks.example.com/',
    'ftp://hooks.example.com/',
    'file:///etc/passwd',
    'gopher://127.0.0.1:6379/_',
    'unix:/var/run/docker.sock',
    'javascript:alert(1)',
    'data:text/plain,x',
    'https:///',
    'https://:443/',
  ],
  'a user name or password': [
    'https://user@hooks.example.com/',
    'https://:secret@hooks.example.com/',
    'https://hooks.example.com@127.0.0.1/',
    'https://hooks.example.com%20@127.0.0.1/',
  ],
  'an ambiguous host': [
    'https://hooks.example.com./',
    'https://hooks.example.com../',
    'https://hooks..example.com/',
    'https://.example.com/',
    `https://${'a'.repeat(64)}.example.com/`,
    `https://${'a.'.repeat(140)}example.com/`,
    `https://hooks.example.com/${'a'.repeat(2048)}`,
    `https://hooks.example.com/${'ä'.repeat(1000)}`,
    'https://[fe80::1%25eth0]/',
    'https://[::1%eth0]/',
    'https://hooks.example.com\\@127.0.0.1/',
    'https://hooks.example.com\t/',
    'https://hooks.exam\nple.com/',
    'https://hooks.example.com /',
    'https://hooks\u0000.example.com/',
    'https://[::1/',
    'https://1.2.3.4.5/',
    'https://256.1.1.1/',
  ],
  'no port': [
    'https://hooks.example.com:0/',
    'https://hooks.example.com:65536/',
    'https://hooks.example.com:-1/',
    'https://hooks.example.com:http/',
  ],
};

describe.each(Object.entries(NEVER))('never sends events to %s', (_kind, urls) => {
  const dns = { 'hooks.example.com': ['1.1.1.1'] };

  test.each(urls)('%s', async (url) => {
    expect(await refusal(url, { dns })).toBeDefined();
    expect(await refusal(url, { ...EVERYTHING, dns })).toBeDefined();
    expect(await refusal(url, { ...EVERYTHING, dns, production: false })).toBeDefined();
  });
});

/** Allowed only where the operator lists them. */
const LISTABLE = [
  ['http://127.0.0.1:8080/', '127.0.0.0/8'],
  ['https://127.255.255.254/', '127.0.0.0/8'],
  ['http://127.1/', '127.0.0.1'],
  ['http://0x7f000001/', '127.0.0.1'],
  ['http://017700000001/', '127.0.0.1'],
  ['http://2130706433/', '127.0.0.1'],
  ['http://[::1]:8080/', '::1'],
  ['http://[0:0:0:0:0:0:0:1]/', '::1'],
  ['https://10.0.0.1/', '10.0.0.0/8'],
  ['http://172.16.0.1/', '172.16.0.0/12'],
  ['https://172.31.255.255/', '172.16.0.0/12'],
  ['http://192.168.1.1/', '192.168.0.0/16'],
  ['https://100.64.0.1/', '100.64.0.0/10'],
  ['https://[fc00::1]/', 'fc00::/7'],
  ['http://[fd12:3456::1]/', 'fd12:3456::/32'],
  ['https://[64:ff9b::8.8.8.8]/', '64:ff9b::/96'],
] as const;

describe('private and loopback addresses', () => {
  test.each(LISTABLE)('refuses %s in production', async (url) => {
    expect(await refusal(url)).toMatch(/DELIVERY_ALLOWED_NETWORKS/);
  });

  test.each(LISTABLE)('allows %s where %s is listed', async (url, networks) => {
    expect(await refusal(url, { networks })).toBeUndefined();
  });

  test.each(LISTABLE)('refuses %s where another network is listed', async (url) => {
    expect(await refusal(url, { networks: '10.77.0.0/16, 2a00::/32' })).toBeDefined();
  });

  test('allows loopback outside production', async () => {
    expect(await refusal('http://127.0.0.1:8080/', { production: false })).toBeUndefined();
    expect(await refusal('http://[::1]:8080/', { production: false })).toBeUndefined();
  });

  test('refuses private addresses outside production', async () => {
    expect(await refusal('http://10.0.0.1/', { production: false })).toBeDefined();
  });

  test('refuses loopback outside production where the operator lists other networks', async () => {
    const given = { production: false, networks: '10.0.0.0/8' };
    expect(await refusal('http://127.0.0.1/', given)).toBeDefined();
  });
});

describe('public addresses', () => {
  test.each([
    'https://1.1.1.1/',
    'https://8.8.8.8:8443/hook?tenant=1',
    'https://[2606:4700:4700::1111]/',
    'HTTPS://1.1.1.1/',
  ])('allows %s', async (url) => {
    expect(await refusal(url)).toBeUndefined();
  });

  test.each(['http://1.1.1.1/', 'http://[2606:4700:4700::1111]/', 'http://1.1.1.1:443/'])(
    'refuses plain %s',
    async (url) => {
      expect(await refusal(url)).toMatch(/plain http/);
    },
  );

  test('allows plain http where the network is listed', async () => {
    expect(await refusal('http://1.1.1.1/', { networks: '1.1.1.0/24' })).toBeUndefined();
  });
});

describe('host names', () => {
  const dns = {
    'hooks.example.com': ['1.1.1.1', '2606:4700:4700::1111'],
    'inside.example.com': ['10.0.0.5'],
    'meta.example.com': ['169.254.169.254'],
    'mapped.example.com': ['::ffff:127.0.0.1'],
    'zone.example.com': ['fe80::1%eth0'],
    'mixed.example.com': ['169.254.169.254', '1.1.1.1'],
    'nothing.example.com': [],
    'database.example.com': ['10.9.9.9'],
    'xn--bcher-kva.example': ['1.1.1.1'],
    receiver: ['172.20.0.3'],
    localhost: ['::1', '127.0.0.1'],
  };

  test.each([
    'https://hooks.example.com/',
    'https://HOOKS.example.com:8443/',
    'https://bücher.example/',
  ])('allows %s, which has public addresses', async (url) => {
    expect(await refusal(url, { dns })).toBeUndefined();
  });

  test.each([
    ['https://inside.example.com/', /10\.0\.0\.5.*private/],
    ['https://meta.example.com/', /169\.254\.169\.254.*never/],
    ['https://mapped.example.com/', /never/],
    ['https://zone.example.com/', /cannot|not an address/],
    ['https://nothing.example.com/', /no address/],
    ['https://receiver/', /private/],
    ['https://localhost/', /loopback/],
    ['http://hooks.example.com/', /plain http/],
    ['https://database.example.com:5433/', /database|private/],
  ])('refuses %s', async (url, rule) => {
    expect(await refusal(url, { dns })).toMatch(rule);
  });

  test('allows a name that also has a refused address', async () => {
    expect(await refusal('https://mixed.example.com/', { dns })).toBeUndefined();
  });

  test.each([
    ['http://inside.example.com/', 'inside.example.com'],
    ['https://inside.example.com/', '*.example.com'],
    ['http://hooks.example.com:8080/', 'HOOKS.example.com'],
    ['http://receiver:8080/', 'receiver'],
    ['http://localhost:8080/', 'localhost'],
    ['http://bücher.example/', 'bücher.example'],
  ])('allows %s where DELIVERY_ALLOWED_HOSTS lists %s', async (url, hosts) => {
    expect(await refusal(url, { dns, hosts })).toBeUndefined();
  });

  test.each([
    ['https://inside.example.com/', 'example.com'],
    ['https://inside.example.com/', '*.inside.example.com'],
    ['https://inside.example.com/', '*.ample.com'],
    ['https://meta.example.com/', 'meta.example.com'],
    ['https://mapped.example.com/', '*.example.com'],
    ['https://database.example.com:5433/', '*.example.com'],
  ])('refuses %s where DELIVERY_ALLOWED_HOSTS lists %s', async (url, hosts) => {
    expect(await refusal(url, { dns, hosts })).toBeDefined();
  });

  test('allows plain http to a name whose address is in a listed network', async () => {
    const given = { dns, networks: '10.0.0.0/24' };
    expect(await refusal('http://inside.example.com/', given)).toBeUndefined();
  });
});

describe('names that cannot be resolved', () => {
  test('allows https to a public name: its addresses are checked at the connection', async () => {
    expect(await refusal('https://later.example.com/')).toBeUndefined();
  });

  test.each([
    'http://later.example.com/',
    'https://receiver/',
    'https://a.svc.cluster.local/',
    'https://x.localhost/',
  ])('refuses %s where nothing is listed', async (url) => {
    expect(await refusal(url)).toMatch(/cannot be resolved/);
  });

  test('allows a private name where a network is listed', async () => {
    expect(await refusal('http://receiver/', { networks: '10.0.0.0/8' })).toBeUndefined();
  });

  test('gives up on a DNS that does not answer', { timeout: 20_000 }, async () => {
    const { settings } = Settings.read({ NODE_ENV: 'production' });
    class Hanging extends FakeResolver {
      override resolve(): Promise<never> {
        return new Promise(() => undefined);
      }
    }
    const url = await new AddressPolicy(settings, new Hanging()).checkUrl('https://a.example.com/');
    expect(url.hostname).toBe('a.example.com');
  });
});

describe('the database', () => {
  const local = 'postgres://gateway@localhost/gateway';
  const all = { networks: '0.0.0.0/0, ::/0', dns: { localhost: ['127.0.0.1'], db: ['10.4.4.4'] } };
  const ownAddress = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .map(({ address }) => address)
    .find((address) => isIPv4(address) && /^(public|private)$/.test(addressKind(address) ?? ''));

  test.each([
    ['http://127.0.0.1:5432/', local],
    ['http://127.0.0.2:5432/', local],
    ['http://[::1]:5432/', local],
    ['http://localhost:5432/', local],
    ['http://10.4.4.4:5432/', 'postgres://gateway@db/gateway'],
    ['http://10.4.4.4:6000/', 'postgres://gateway@db:6000/gateway'],
    ['http://10.4.4.4:6001/', 'postgres:///gateway?host=10.4.4.4&port=6001'],
    ['http://127.0.0.1:5432/', 'postgres://gateway@%2Fvar%2Frun%2Fpostgresql/gateway'],
    ['http://[fd00::9]:5432/', 'postgres://gateway@[fd00::9]/gateway'],
    ['http://10.5.5.5:5432/', 'postgres://gateway@unresolvable/gateway'],
  ])('%s is refused where DATABASE_URL is %s', async (url, database) => {
    expect(await refusal(url, { ...all, database })).toMatch(/the database of the gateway/);
  });

  test('is found by the variables of the driver', async () => {
    vi.stubEnv('PGHOST', '10.4.4.4');
    vi.stubEnv('PGPORT', '6001');
    onTestFinished(() => void vi.unstubAllEnvs());
    expect(
      await refusal('http://10.4.4.4:6001/', { ...all, database: 'postgres:///gateway' }),
    ).toMatch(/the database of the gateway/);
  });

  test.runIf(ownAddress)('own addresses of this machine lead to a local database', async () => {
    const url = `http://${ownAddress}:5432/`;
    expect(await refusal(url, { ...all, database: local })).toMatch(/database/);
  });

  test.each([
    ['http://127.0.0.1:5431/', local],
    ['http://10.4.4.5:5432/', 'postgres://gateway@db/gateway'],
    ['http://10.4.4.4:5433/', 'postgres://gateway@db/gateway'],
  ])('%s is allowed where DATABASE_URL is %s', async (url, database) => {
    expect(await refusal(url, { ...all, database })).toBeUndefined();
  });
});

test('a refusal names the field', async () => {
  await expect(policyOf({}).checkUrl('https://10.0.0.1/')).rejects.toMatchObject({
    code: 'endpoint_address_refused',
    status: 422,
    options: { errors: [{ path: 'url', message: expect.stringContaining('10.0.0.1') }] },
  });
});

test('a refusal contains neither the path nor the query of the URL', async () => {
  expect(await refusal('https://10.0.0.1/planted-path?token=planted')).not.toContain('planted');
});
