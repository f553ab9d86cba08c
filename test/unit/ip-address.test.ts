import { describe, expect, test } from 'vitest';
import {
  addressKind,
  isPublicAddress,
  parseAddress,
  unmapAddress,
  type AddressKind,
} from '../../src/platform/ip-address.js';

const NOT_PUBLIC: Record<string, readonly string[]> = {
  'this network': ['0.0.0.0', '0.0.0.1', '0.255.255.255'],
  private: ['10.0.0.0', '10.255.255.255', '172.16.0.1', '172.31.255.255', '192.168.0.1'],
  'shared by a carrier': ['100.64.0.1', '100.100.100.200', '100.127.255.255'],
  loopback: ['127.0.0.1', '127.255.255.254', '::1'],
  'link-local': ['169.254.0.1', '169.254.169.254', 'fe80::1', 'febf::1'],
  'IETF protocol assignments': ['192.0.0.1', '192.0.0.192', '192.0.0.170'],
  documentation: ['192.0.2.1', '198.51.100.1', '203.0.113.9', '2001:db8::1', '3fff::1'],
  '6to4 relay anycast': ['192.88.99.1'],
  benchmarking: ['198.18.0.1', '198.19.255.255', '2001:2::1'],
  multicast: ['224.0.0.1', '239.255.255.255', 'ff02::1', 'ff0e::1'],
  'reserved, broadcast': ['240.0.0.1', '254.255.255.255', '255.255.255.255'],
  unspecified: ['::', '0:0:0:0:0:0:0:0'],
  'unique local': ['fc00::1', 'fd00:ec2::254', 'fdff:ffff::1'],
  'site-local': ['fec0::1', 'feff::1'],
  'IPv4-mapped': ['::ffff:8.8.8.8', '::ffff:10.0.0.1', '::ffff:7f00:1', '::FFFF:169.254.169.254'],
  'IPv4-compatible': ['::203.0.113.9', '::8.8.8.8', '::7f00:1', '0:0:0:0:0:0:10.0.0.1'],
  'IPv4-translated': ['::ffff:0:8.8.8.8', '::ffff:0:a00:1'],
  NAT64: ['64:ff9b::8.8.8.8', '64:ff9b::a9fe:a9fe', '64:ff9b:1::1', '64:ff9b:1:ffff::10.0.0.1'],
  '6to4': ['2002:7f00:1::', '2002:a00:1::1', '2002:808:808::1'],
  Teredo: ['2001::1', '2001:0:4136:e378:8000:63bf:3fff:fdd2'],
  ISATAP: ['2620:0:2d0::5efe:10.0.0.1', '2620::200:5efe:8.8.8.8', '2606:4700::5efe:a00:1'],
  'ORCHID, drone ids, segment routing': ['2001:10::1', '2001:20::1', '2001:30::1', '5f00::1'],
  'discard-only': ['100::1'],
  AS112: ['192.31.196.1', '192.175.48.1', '2620:4f:8000::1'],
  'not allocated': ['1000::1', '4000::1', '8000::1', 'e000::1', '400::1'],
  'the platform of Azure': ['168.63.129.16'],
};
const PUBLIC = [
  '1.1.1.1',
  '8.8.8.8',
  '9.255.255.255',
  '11.0.0.0',
  '52.216.0.1',
  '100.63.255.255',
  '100.128.0.0',
  '126.255.255.255',
  '128.0.0.1',
  '168.63.129.15',
  '169.253.255.255',
  '172.15.255.255',
  '172.32.0.0',
  '192.167.255.255',
  '192.169.0.0',
  '198.17.255.255',
  '198.20.0.0',
  '223.255.255.255',
  '2001:4860:4860::8888',
  '2606:4700:4700::1111',
  '2620:fe::fe',
  '2a00:1450:4001:80b::200e',
  '2a05:d018::5eff:1',
];
const NO_ADDRESS = [
  '',
  ' ',
  'localhost',
  '10.0.0',
  '10.1',
  '0x7f000001',
  '0177.0.0.1',
  '2130706433',
  '8.8.8.8.',
  '８.8.8.8',
  '8.8.8.8:443',
  '[2606:4700::1]',
  'fe80::1%eth0',
  '2606:4700::1%1',
  '8.8.8.8%eth0',
  '::ffff:8.8.8.256',
  '8.8.8.8/32',
  '1:2:3:4:5:6:7:8:9',
];

describe.each(Object.entries(NOT_PUBLIC))('isPublicAddress: %s', (_kind, addresses) => {
  test.each(addresses)('%s is not public', (address) => {
    expect(parseAddress(address)).toBeDefined();
    expect(isPublicAddress(address)).toBe(false);
  });
});

test.each(PUBLIC)('isPublicAddress: %s is public', (address) => {
  expect(isPublicAddress(address)).toBe(true);
});

test.each(NO_ADDRESS)('%j is not an address', (text) => {
  expect(parseAddress(text)).toBeUndefined();
  expect(isPublicAddress(text)).toBe(false);
});

test.each([
  ['::ffff:203.0.113.9', '203.0.113.9'],
  ['::ffff:cb00:7109', '203.0.113.9'],
  ['0:0:0:0:0:FFFF:203.0.113.9', '203.0.113.9'],
  ['::203.0.113.9', '::cb00:7109'],
  ['64:ff9b::203.0.113.9', '64:ff9b::cb00:7109'],
  ['::ffff:0:203.0.113.9', '::ffff:0:cb00:7109'],
  ['203.0.113.9', '203.0.113.9'],
])('unmapAddress: turns %s into %s', (given, expected) => {
  const address = parseAddress(given);
  expect(address && unmapAddress(address).toString()).toBe(expected);
});

const OF_KIND: Readonly<Record<AddressKind, readonly string[]>> = {
  public: ['1.1.1.1', '2606:4700:4700::1111', '168.63.129.17'],
  loopback: ['127.0.0.1', '127.255.255.255', '::1'],
  private: [
    '10.1.2.3',
    '172.31.0.1',
    '192.168.0.1',
    '100.64.0.1',
    '100.100.100.199',
    'fc00::1',
    'fd12::1',
  ],
  nat64: ['64:ff9b::8.8.8.8', '64:ff9b::101:101'],
  link_local: ['169.254.169.254', '169.254.170.2', 'fe80::1', 'fe80::a9fe:a9fe'],
  metadata: [
    '168.63.129.16',
    '100.100.100.200',
    'fd00:ec2::254',
    'fd20:ce::254',
    'fd00:42::42',
    'fd00:a9fe:a9fe::1',
    'fd00:c1::a9fe:a9fe',
  ],
  multicast: ['224.0.0.1', '239.255.255.255', 'ff02::1'],
  unspecified: ['0.0.0.0', '0.1.2.3', '::'],
  broadcast: ['255.255.255.255'],
  embedding: [
    '::ffff:127.0.0.1',
    '::ffff:8.8.8.8',
    '::127.0.0.1',
    '::ffff:0:127.0.0.1',
    '64:ff9b::10.0.0.1',
    '64:ff9b::169.254.169.254',
    '64:ff9b::203.0.113.9',
    '64:ff9b:1::8.8.8.8',
    '2002:7f00:1::',
    '2001::1',
    '2620::5efe:10.0.0.1',
  ],
  reserved: [
    '192.0.2.1',
    '198.18.0.1',
    '203.0.113.9',
    '240.0.0.1',
    '2001:db8::1',
    'fec0::1',
    '4000::1',
    '100::1',
  ],
};

describe.each(Object.entries(OF_KIND))('addressKind: %s', (kind, addresses) => {
  test.each(addresses)('%s', (address) => {
    expect(addressKind(address)).toBe(kind);
  });
});

test.each(NO_ADDRESS)('addressKind: %j is not an address', (text) => {
  expect(addressKind(text)).toBeUndefined();
});
