import { describe, expect, test } from 'vitest';
import { addressBlock } from '../../src/platform/config/setting-kinds.js';
import { clientAddress, isWithin } from '../../src/platform/http/client-address.js';

const blocks = (...list: string[]) => list.map(addressBlock);
const TRUSTED = blocks('10.0.0.0/8', '2001:db8:aa::/48');

describe('clientAddress', () => {
  test('does not believe X-Forwarded-For of a peer that is no trusted proxy', () => {
    expect(clientAddress('203.0.113.9', '198.51.100.1', TRUSTED)).toBe('203.0.113.9');
    expect(clientAddress('10.0.0.1', '198.51.100.1', [])).toBe('10.0.0.1');
  });

  test.each([
    ['198.51.100.1, 203.0.113.9', 'a sender that writes its own header in front'],
    ['198.51.100.1, 10.0.0.7, 203.0.113.9', 'one that claims to be behind a proxy'],
    ['198.51.100.1,,203.0.113.9,', 'one with empty hops'],
    ['198.51.100.1,203.0.113.9,10.0.0.7, 10.3.2.1', 'a chain of two more trusted proxies'],
  ])('stops at the first untrusted hop from the right in "%s": %s', (header) => {
    expect(clientAddress('10.0.0.1', header, TRUSTED)).toBe('203.0.113.9');
  });

  test('answers the outermost known hop where the whole chain is trusted', () => {
    expect(clientAddress('10.0.0.1', undefined, TRUSTED)).toBe('10.0.0.1');
    expect(clientAddress('10.0.0.1', ' , ', TRUSTED)).toBe('10.0.0.1');
    expect(clientAddress('10.0.0.1', '10.0.0.3, 10.0.0.2', TRUSTED)).toBe('10.0.0.3');
  });

  test.each([
    ['::ffff:10.0.0.1', 'mapped'],
    ['::ffff:a00:1', 'mapped, in hex'],
    ['0:0:0:0:0:FFFF:10.0.0.1', 'mapped, long'],
    ['2001:db8:aa:0:0:0:0:1', 'IPv6, long'],
  ])('knows the trusted peer %s (%s)', (peer) => {
    expect(clientAddress(peer, '203.0.113.9', TRUSTED)).toBe('203.0.113.9');
  });

  test('knows an IPv4 peer by a block that was configured in mapped form', () => {
    expect(clientAddress('10.1.2.3', '203.0.113.9', blocks('::ffff:10.0.0.0/104'))).toBe(
      '203.0.113.9',
    );
  });

  test.each([
    ['203.0.113.9:4711', '203.0.113.9'],
    ['[2001:DB8:0:0::5]', '2001:db8::5'],
    ['[2001:db8::5]:443', '2001:db8::5'],
    ['[::ffff:203.0.113.9]:443', '203.0.113.9'],
    ['fe80::1%eth0', 'fe80::1'],
    ['[fe80::1%25eth0]:80', 'fe80::1'],
  ])('reads the hop %s as %s', (hop, address) => {
    expect(clientAddress('10.0.0.1', hop, TRUSTED)).toBe(address);
  });

  test.each([
    '010.0.0.1',
    '0x0a.0.0.1',
    '10.1',
    '167772161',
    'unknown',
    '_hidden',
    '10.0.0.1.',
    '10.0.0.256',
    '10.0.0.1/8',
    '::ffff:10.0.0.1:80:80:80:80:80:80',
    '[10.0.0.1',
    'for=10.0.0.1',
    '10.0.0.1 10.0.0.1',
    '[10.0.0.1]',
    '[10.0.0.1]:80',
    '10.0.0.1%eth0',
    '10.0.0.1:',
    '10.0.0.1:800000',
    '10.0.0.1:80:80',
    '"10.0.0.1"',
    '\u00a010.0.0.1',
    '\u000b10.0.0.1',
    '1０.0.0.1',
    '[]',
    '[::1',
    '::1]',
    '[::ffff:10.0.0.1]x',
    '::10.0.0.256',
    ':',
    '%',
  ])('takes the hop %s for no address, and goes no further left', (hop) => {
    const address = clientAddress('10.0.0.1', `198.51.100.1, ${hop}`, TRUSTED);
    expect(address).not.toBe('198.51.100.1');
    expect(isWithin(address, blocks('0.0.0.0/0', '::/0'))).toBe(false);
  });

  test.each([
    '  203.0.113.9',
    '203.0.113.9\t ',
    `${' '.repeat(5000)}203.0.113.9${' '.repeat(5000)}`,
  ])('ignores spaces and tabs around an entry (case %#)', (hop) => {
    expect(clientAddress('10.0.0.1', `198.51.100.1,${hop}`, TRUSTED)).toBe('203.0.113.9');
  });

  test('does not take the deprecated ::10.0.0.1 for the trusted proxy 10.0.0.1', () => {
    expect(clientAddress('::10.0.0.1', '203.0.113.9', TRUSTED)).toBe('::a00:1');
    expect(clientAddress('10.0.0.1', '203.0.113.9, ::10.0.0.1', TRUSTED)).toBe('::a00:1');
  });

  test('gives up on a chain of trusted proxies without end', () => {
    const header = Array.from({ length: 5000 }, (_, hop) => `10.0.${hop >> 8}.${hop & 255}`).join();
    const address = clientAddress('10.0.0.1', header, TRUSTED);
    expect(address).toBe('more than 32 trusted proxies');
    expect(isWithin(address, blocks('0.0.0.0/0', '::/0'))).toBe(false);
  });

  test('finds the client behind thousands of empty entries', () => {
    expect(clientAddress('10.0.0.1', `203.0.113.9${', '.repeat(20_000)}`, TRUSTED)).toBe(
      '203.0.113.9',
    );
  });

  test('cuts off a hop of endless garbage', () => {
    expect(clientAddress('10.0.0.1', 'x'.repeat(5000), TRUSTED)).toHaveLength(100);
  });

  test('takes an empty peer for no address', () => {
    expect(clientAddress('', '198.51.100.1', blocks('0.0.0.0/0', '::/0'))).toBe('');
  });
});

describe('isWithin', () => {
  test.each([
    ['198.51.100.7', '198.51.100.7', true],
    ['198.51.100.8', '198.51.100.7', false],
    ['198.51.100.255', '198.51.100.0/24', true],
    ['198.51.101.0', '198.51.100.0/24', false],
    ['198.51.100.7', '198.51.100.99/24', true],
    ['::ffff:198.51.100.7', '198.51.100.0/24', true],
    ['198.51.100.7', '::ffff:198.51.100.0/120', true],
    ['198.51.101.7', '::ffff:198.51.100.0/120', false],
    ['2001:db8:0:1::1', '2001:db8::/63', true],
    ['2001:db8:0:2::1', '2001:db8::/63', false],
    ['2001:db8::1', '2001:db8::1', true],
    ['2001:db8::2', '2001:db8::1', false],
    ['::203.0.113.9', '203.0.113.9', false],
    ['::203.0.113.9', '0.0.0.0/0', false],
    ['0:0:0:0:0:0:203.0.113.9', '203.0.113.9', false],
    ['::ffff:0:203.0.113.9', '203.0.113.9', false],
    ['64:ff9b::203.0.113.9', '203.0.113.9', false],
    ['::ffff:203.0.113.9', '203.0.113.9', true],
    ['::ffff:cb00:7109', '203.0.113.9', true],
    ['0:0:0:0:0:FFFF:203.0.113.9', '203.0.113.9', true],
    ['203.0.113.9', '::203.0.113.9', false],
    ['203.0.113.9', '::203.0.113.0/120', false],
    ['::203.0.113.9', '::203.0.113.0/120', true],
    ['198.51.100.7', '::/0', false],
    ['2001:db8::1', '0.0.0.0/0', false],
    ['0306.063.0144.7', '198.51.100.0/24', false],
    ['3325256711', '0.0.0.0/0', false],
    ['', '0.0.0.0/0', false],
  ])('%s in %s: %s', (address, block, expected) => {
    expect(isWithin(address, blocks(block))).toBe(expected);
  });

  test('is false for an empty list and true where any block fits', () => {
    expect(isWithin('198.51.100.7', [])).toBe(false);
    expect(isWithin('198.51.100.7', blocks('2001:db8::/32', '198.51.100.0/24'))).toBe(true);
  });
});
