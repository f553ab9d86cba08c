import { UpstreamRateLimiter } from '../../src/reducto/upstream-rate-limiter.js';
import type { TestGateway } from './gateway.js';

/** Ends all cool-downs, in the database and in this process. */
export async function endCoolDowns({
  app,
  pool,
}: Pick<TestGateway, 'app' | 'pool'>): Promise<void> {
  await pool.query('DELETE FROM upstream_rate');
  const { polls, submits } = app.get(UpstreamRateLimiter, { strict: false });
  polls.stateChanged();
  submits.stateChanged();
}
