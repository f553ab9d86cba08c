import { expect, it } from 'vitest';
import { Settings } from '../../src/platform/config/settings.js';

it('rejects retentions that are longer than that of the job', () => {
  const load = (days: Record<string, string>) => () => Settings.load(days);
  expect(load({ JOB_RETENTION_DAYS: '29' })).toThrow('RESULT_RETENTION_DAYS must not be longer');
  expect(load({ JOB_RETENTION_DAYS: '89' })).toThrow('CALLBACK_RETENTION_DAYS must not be longer');
  expect(load({ EVENT_RETENTION_DAYS: '366' })).toThrow('EVENT_RETENTION_DAYS must not be longer');
  expect(load({ RESULT_RETENTION_DAYS: '366' })).toThrow(
    'RESULT_RETENTION_DAYS must not be longer',
  );
  expect(load({ JOB_RETENTION_DAYS: '90' })).not.toThrow();
  // For ever, and as long as the job.
  expect(load({ JOB_RETENTION_DAYS: '0', RESULT_RETENTION_DAYS: '9999' })).not.toThrow();
  expect(load({ CALLBACK_RETENTION_DAYS: '0', RESULT_RETENTION_DAYS: '0' })).not.toThrow();
});
