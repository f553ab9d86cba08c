import { QueryFailedError, QueryRunnerAlreadyReleasedError } from 'typeorm';
import { describe, expect, it } from 'vitest';
import { classifyDatabaseError } from '../../src/platform/database/database-errors.js';

const withCode = (code: string, message = 'refused'): Error =>
  Object.assign(new Error(message), { code });

describe('classifies database errors', () => {
  it.each([
    ['a statement that writes in a read-only transaction', '25006', 'read_only'],
    ['a server that is shutting down', '57P01', 'unavailable'],
    ['a server that crashed', '57P02', 'unavailable'],
    ['a server that is starting', '57P03', 'unavailable'],
    ['a session that the server ended for its silence', '57P05', 'unavailable'],
    ['a statement timeout', '57014', 'unavailable'],
    ['a lock timeout', '55P03', 'unavailable'],
    ['a lost connection', '08006', 'unavailable'],
    ['a server without a free connection', '53300', 'unavailable'],
    ['a full disk', '53100', 'unavailable'],
    ['a failing disk', '58030', 'unavailable'],
    ['a port on which nothing listens', 'ECONNREFUSED', 'unavailable'],
    ['a deadlock', '40P01', 'conflict'],
    ['a serialization failure', '40001', 'conflict'],
    ['a character that the encoding lacks', '22021', 'data'],
    ['a NUL in jsonb', '22P05', 'data'],
    ['a value that is too long', '22001', 'data'],
    ['an array that is too large', '54000', 'data'],
    ['nesting that is too deep', '54001', 'data'],
    ['a violated check constraint', '23514', 'data'],
    ['a missing table', '42P01', 'other'],
    ['a missing privilege', '42501', 'other'],
    ['a wrong password', '28P01', 'other'],
    ['an object that is not ready', '55000', 'other'],
  ] as const)('%s', (_case, code, kind) => {
    expect(classifyDatabaseError(withCode(code))).toBe(kind);
  });

  it('an error that TypeORM wraps by the code of its driver error', () => {
    const driverError = Object.assign(new Error('a NUL'), { code: '22P05' });
    expect(classifyDatabaseError(new QueryFailedError('SELECT', [], driverError))).toBe('data');
  });

  it('a function that a standby refuses as read_only', () => {
    expect(classifyDatabaseError(withCode('55000', 'recovery is in progress'))).toBe('read_only');
  });

  it('a transaction whose connection broke as unavailable', () => {
    expect(classifyDatabaseError(new QueryRunnerAlreadyReleasedError())).toBe('unavailable');
  });

  it('a pool that has no connection in time as unavailable', () => {
    const error = new Error('timeout exceeded when trying to connect');
    expect(classifyDatabaseError(error)).toBe('unavailable');
  });

  it('a session limit that a pooler refuses as other', () => {
    const error = withCode('08P01', 'unsupported startup parameter in options: tcp_user_timeout');
    expect(classifyDatabaseError(error)).toBe('other');
  });

  it.each([
    ['a password that was changed', '28P01'],
    ['a database that was renamed', '3D000'],
    ['a database that accepts no connections', '55000'],
    ['a privilege to connect that was revoked', '42501'],
  ])('%s, refused before a statement, as unavailable', (_case, code) => {
    const error = Object.assign(withCode(code), { severity: 'FATAL' });
    expect(classifyDatabaseError(error)).toBe('unavailable');
  });

  it('a defect of the program as other', () => {
    expect(classifyDatabaseError(new TypeError('x is not a function'))).toBe('other');
  });

  it('a thrown text as other', () => {
    expect(classifyDatabaseError('25006')).toBe('other');
  });
});
