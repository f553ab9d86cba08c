import { describe, expect, test } from 'vitest';
import { isPrivateAddress, isPrivateHost } from '../../src/platform/config/private-host.js';

describe('isPrivateAddress', () => {
  test.each([
    '127.0.0.1',
    '127.255.255.254',
    '10.0.0.1',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.1.1',
    '169.254.169.254',
    '100.64.0.1',
    '0.0.0.0',
    '255.255.255.255',
    '224.0.0.1',
    '::1',
    '::',
    'fe80::1',
    'fc00::1',
    'fdff::1',
    'ff02::1',
    '::ffff:10.0.0.1',
    '::ffff:7f00:1',
    '64:ff9b::a9fe:a9fe',
    '2002:7f00:1::',
  ])('%s is private', (address) => {
    expect(isPrivateAddress(address)).toBe(true);
  });

  test.each([
    '8.8.8.8',
    '172.15.255.255',
    '172.32.0.1',
    '192.167.1.1',
    '11.0.0.1',
    '100.128.0.1',
    '2606:4700::1111',
    '',
    'localhost',
    '10.0.0',
    '0x7f000001',
    '2130706433',
  ])('%s is not private', (address) => {
    expect(isPrivateAddress(address)).toBe(false);
  });
});

describe('isPrivateHost', () => {
  test.each([
    'localhost',
    'gateway',
    'db.local',
    'a.b.internal',
    'x.LOCALHOST',
    'nas.lan',
    'nas.home.arpa',
    '[::1]',
    '[fd00::1]',
    '10.0.0.1',
  ])('%s is private', (host) => {
    expect(isPrivateHost(host)).toBe(true);
  });

  test.each([
    'example.com',
    'internal.example.com',
    'localhost.example.com',
    '10.0.0.1.example.com',
    'evilinternal.com',
    'notlocal.xlocal.com',
    'home.arpa.example.com',
    '8.8.8.8',
    '[2606:4700::1]',
  ])('%s is not private', (host) => {
    expect(isPrivateHost(host)).toBe(false);
  });

  test('recognizes private hosts in the forms that the URL parser normalizes', () => {
    expect(isPrivateHost(new URL('http://0x7f.1').hostname)).toBe(true);
    expect(isPrivateHost(new URL('http://2130706433').hostname)).toBe(true);
    expect(isPrivateHost(new URL('http://0x08080808').hostname)).toBe(false);
  });
});
