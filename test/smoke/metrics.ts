import { until } from './command.js';
import type { Stack } from './stack.js';
import type { Verdict } from './verdict.js';

interface Sample {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [number, string];
}

async function query(expression: string): Promise<readonly Sample[]> {
  const url = `http://127.0.0.1:13090/api/v1/query?query=${encodeURIComponent(expression)}`;
  const answer = (await (await fetch(url)).json()) as { data: { result: readonly Sample[] } };
  return answer.data.result;
}

/** Metrics of the gateway and of the webhook receiver in Prometheus. */
export async function checkMetrics(verdict: Verdict, stack: Stack): Promise<void> {
  await verdict.check('Prometheus reads the gateway and the webhook receiver', () =>
    until('both are up', async () => {
      const up = (await query('up')).filter(({ value }) => value[1] === '1');
      const jobs = new Set(up.map(({ metric }) => metric['container']));
      return jobs.has('gateway') && jobs.has('callbacks') ? true : undefined;
    }),
  );
  await verdict.check('it has the metrics of the gateway', () =>
    until('metrics', async () => {
      const found = await query('sum(gateway_jobs_ended_total)');
      return Number(found[0]?.value[1] ?? 0) > 0 ? true : undefined;
    }),
  );
  await verdict.check('it loads its configuration and the alert rules', async () => {
    await stack.command('prometheus', 'promtool check config /etc/prometheus/prometheus.yml');
    const answer = await (await fetch('http://127.0.0.1:13090/api/v1/rules')).json();
    const { groups } = (answer as { data: { groups: readonly { rules: readonly unknown[] }[] } })
      .data;
    return `${groups.reduce((sum, { rules }) => sum + rules.length, 0)} rules`;
  });
}
