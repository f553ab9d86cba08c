import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { describe, expect, it } from 'vitest';
import { ALERT_KINDS } from '../../src/alerts/alert-kinds.js';
import { GUARDS, REFUSAL_CAUSES } from '../../src/audit/refusal.js';
import { JOB_STATUSES } from '../../src/jobs/job-status.js';
import { tablesUnder } from '../support/markdown.js';
import { selectedBy, checkQueries, groupedBy, hasPromtool, promtool } from '../support/promql.js';

/* What is shipped for Prometheus and Grafana, compared with docs/metrics.md (which test/integration/metrics.test.ts
   compares with a running gateway) and with docs/runbook.md. */

const read = (path: string): string =>
  readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');

interface Rule {
  readonly alert?: string;
  readonly record?: string;
  readonly expr: string;
  readonly labels?: Record<string, string>;
  readonly annotations?: Record<string, string>;
}

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly datasource?: { uid: string };
  readonly gridPos: { x: number; y: number; w: number; h: number };
  readonly targets?: readonly {
    expr: string;
    legendFormat: string;
    refId: string;
    datasource: { uid: string };
  }[];
}

interface Dashboard {
  readonly uid: string;
  readonly panels: readonly Panel[];
  readonly annotations: { list: readonly { expr: string; datasource: { uid: string } }[] };
  readonly templating: {
    list: readonly { name: string; definition: string; datasource: { uid: string } }[];
  };
}

const OBSERVABILITY = 'deploy/observability';
const rules = (
  parse(read(`${OBSERVABILITY}/alerts.yml`)) as { groups: { rules: Rule[] }[] }
).groups.flatMap((group) => group.rules);
const alerts = rules.filter((rule) => rule.alert !== undefined);
const dashboard = JSON.parse(
  read(`${OBSERVABILITY}/grafana/dashboards/reducto-gateway.json`),
) as Dashboard;
const panels = dashboard.panels.filter(({ type }) => type !== 'row');

/** Grafana puts values in where the query is asked; promtool wants one. */
const filledIn = (query: string): string =>
  query.replaceAll('$__rate_interval', '5m').replaceAll('$instance', '.*');
const queries = [
  ...panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => filledIn(expr))),
  ...dashboard.annotations.list.map(({ expr }) => expr),
];

const documented = tablesUnder(read('docs/metrics.md'), 'metric').map(
  ([name = '', type = '', labels = '']) => ({
    name: name.replaceAll('`', ''),
    type,
    labels: [...labels.matchAll(/`(\w+)`/g)].map(([, label = '']) => label),
  }),
);
/** Every series that Prometheus can be asked for, with its labels; those of the scrape included. */
const series = new Map<string, readonly string[]>([['up', ['job', 'instance']]]);
for (const { record } of rules) if (record !== undefined) series.set(record, []);
for (const { name, type, labels } of documented) {
  const all = [...labels, 'job', 'instance'];
  if (type === 'histogram') {
    series.set(`${name}_bucket`, [...all, 'le']);
    for (const part of ['sum', 'count']) series.set(`${name}_${part}`, all);
  } else series.set(name, all);
}

if (!hasPromtool) {
  process.stderr.write(
    'promtool is not on this machine, so rules and queries are not run (Debian: apt-get install prometheus)\n',
  );
}

const STATUS_CLASSES = ['1xx', '2xx', '3xx', '4xx', '5xx'];
/** What a label can be. One that is not here is not compared. */
const VALUES: Readonly<Record<string, readonly string[]>> = {
  kind: ALERT_KINDS,
  guard: GUARDS,
  cause: REFUSAL_CAUSES,
  work: ['submit', 'poll', 'recovery', 'cancel', 'relay'],
  status: [...JOB_STATUSES, ...STATUS_CLASSES],
  settled_by: ['webhook', 'reconciler', 'submission', 'cancellation'],
  outcome: ['refused', 'observed', 'done', 'released', 'failed', 'stored', 'missing'],
  call: ['submit', 'poll', 'list', 'cancel'],
  answer: [
    'accepted',
    'rejected',
    'deferred',
    'unknown',
    'open',
    'completed',
    'failed',
    'cancelled',
    'not_found',
    'unusable',
    'unavailable',
    'page',
    'unsupported',
    'refused',
  ],
  callbacks: ['direct', 'svix', 'none'],
  check: ['database', 'process'],
  quantile: ['0.5', '0.99', '1'],
  job: ['reducto-gateway'],
};

/** What is wrong with the names in `query`. */
function unknownIn(query: string): string[] {
  const asked = selectedBy(query);
  const known = new Set(asked.flatMap(({ name }) => series.get(name) ?? []));
  return [
    ...asked.flatMap(({ name, labels }) => {
      const has = series.get(name);
      if (has === undefined) return [name];
      return labels.flatMap((label) => {
        if (!has.includes(label.name)) return [`${name}{${label.name}}`];
        const values = VALUES[label.name];
        return label.values
          .filter((value) => values !== undefined && !values.includes(value))
          .map((value) => `${name}{${label.name}="${value}"}`);
      });
    }),
    ...groupedBy(query)
      .filter((label) => !known.has(label))
      .map((label) => `by (${label})`),
  ];
}

describe('the rules for Prometheus', () => {
  it('query only metrics, labels, and values that the gateway has', () => {
    expect(rules.flatMap(({ expr }) => unknownIn(expr))).toEqual([]);
    expect(rules.every(({ expr }) => selectedBy(expr).length > 0)).toBe(true);
    expect(unknownIn('sum by (kinds) (gateway_alerts_opened{kind="x"})')).toEqual([
      'gateway_alerts_opened',
      'by (kinds)',
    ]);
    expect(unknownIn('up{jobs="a"} + gateway_alerts_open{kind="atack"}')).toEqual([
      'up{jobs}',
      'gateway_alerts_open{kind="atack"}',
    ]);
  });

  it('have a severity, a summary and their own section of the runbook', () => {
    for (const { alert = '', labels = {}, annotations = {} } of alerts) {
      expect(alert).toMatch(/^Gateway[A-Z]\w+$/);
      expect(labels).toEqual({
        severity: expect.stringMatching(/^(critical|warning|info)$/) as string,
      });
      expect(annotations['summary']).toMatch(/\.$/);
      expect(annotations['runbook_url']).toBe(`docs/runbook.md#${alert.toLowerCase()}`);
    }
    expect(new Set(alerts.map(({ alert }) => alert)).size).toBe(alerts.length);
  });

  it('are each tested where they fire and where they do not', () => {
    const { tests } = parse(read(`${OBSERVABILITY}/alerts.test.yml`)) as {
      tests: { promql_expr_test?: { expr: string; exp_samples: unknown[] }[] }[];
    };
    const tested = tests.flatMap(({ promql_expr_test: asked = [] }) =>
      asked.map(
        ({ expr, exp_samples: samples }) =>
          `${/alertname="(\w+)"/.exec(expr)?.[1]} ${samples.length > 0 ? 'fires' : 'is quiet'}`,
      ),
    );
    const wanted = alerts.flatMap(({ alert }) => [`${alert} fires`, `${alert} is quiet`]);
    expect([...new Set(tested)].toSorted()).toEqual(wanted.toSorted());
  });

  it.skipIf(!hasPromtool)(
    'are valid, and fire when they should (promtool, of Debian’s package prometheus)',
    () => {
      expect(promtool('check', 'rules', `${OBSERVABILITY}/alerts.yml`)).toContain(
        `${rules.length} rules found`,
      );
      expect(promtool('test', 'rules', `${OBSERVABILITY}/alerts.test.yml`)).toContain('SUCCESS');
    },
  );
});

describe('the runbook', () => {
  const headings = (level: string, under: string): string[] => {
    const text =
      read('docs/runbook.md')
        .split(/^## /m)
        .find((part) => part.startsWith(`${under}\n`)) ?? '';
    return [...text.matchAll(new RegExp(`^${level} (.+)$`, 'gm'))].map(([, title = '']) => title);
  };

  it('has a section for each rule and for each kind of alert of the gateway, and no others', () => {
    expect(headings('###', 'Alerts of Prometheus').toSorted()).toEqual(
      alerts.map(({ alert = '' }) => alert).toSorted(),
    );
    expect(headings('###', 'Alerts of the gateway itself').toSorted()).toEqual(
      [...ALERT_KINDS].toSorted(),
    );
  });

  it('says in each section what it means, what to check, and what to do', () => {
    const sections = read('docs/runbook.md').split(/^### /m).slice(1);
    for (const section of sections) {
      expect(section).toMatch(
        /^- \*\*Means\*\*: .+\n(?: {2}.*\n)*- \*\*Check\*\*: .+\n(?: {2}.*\n)*- \*\*Do\*\*: .+/m,
      );
    }
  });

  it('names only metrics, rules, and settings that exist', async () => {
    const { SETTING_TABLE } = await import('../../src/platform/config/setting-table.js');
    const text = read('docs/runbook.md');
    const names = (pattern: RegExp): string[] =>
      [...text.matchAll(pattern)].map(([, name = '']) => name);
    const metrics = new Set(documented.map(({ name }) => name));
    const unknown = names(/\b((?:gateway|process|nodejs)_[a-z_]+)/g).filter(
      (name) => !metrics.has(name) && !series.has(name),
    );
    expect(unknown).toEqual([]);
    const rulesNamed = names(/\b(Gateway[A-Z]\w+)/g).filter(
      (name) => !alerts.some(({ alert }) => alert === name),
    );
    expect(rulesNamed).toEqual([]);
    const known = new Set<string>([...Object.keys(SETTING_TABLE), 'NODE_EXTRA_CA_CERTS']);
    expect(names(/`([A-Z][A-Z]+(?:_[A-Z]+)+)/g).filter((name) => !known.has(name))).toEqual([]);
  });
});

describe('the dashboard for Grafana', () => {
  it('queries only metrics, labels, and values that the gateway has', () => {
    expect(queries.flatMap(unknownIn)).toEqual([]);
    expect(queries.length).toBeGreaterThan(60);
    for (const { targets = [], title } of panels) {
      expect([title, targets.length > 0]).toEqual([title, true]);
      for (const { expr, legendFormat } of targets) {
        const labels = [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, label = '']) => label);
        const given = /\bby \(/.test(expr)
          ? groupedBy(expr)
          : selectedBy(expr).flatMap(({ name }) => series.get(name) ?? []);
        expect([title, labels.filter((label) => !given.includes(label))]).toEqual([title, []]);
      }
    }
  });

  it('shows every metric of the gateway', () => {
    const shown = new Set(
      [
        ...queries,
        ...rules.filter(({ record }) => record !== undefined).map(({ expr }) => expr),
      ].flatMap((query) => selectedBy(query).map(({ name }) => name)),
    );
    const missing = documented.filter(({ name, type }) =>
      type === 'histogram'
        ? !shown.has(`${name}_bucket`) && !shown.has(`${name}_sum`)
        : !shown.has(name),
    );
    expect(missing.map(({ name }) => name)).toEqual([]);
  });

  it('asks the data source that is provisioned', () => {
    const { datasources } = parse(
      read(`${OBSERVABILITY}/grafana/provisioning/datasources/prometheus.yml`),
    ) as {
      datasources: { uid: string; type: string }[];
    };
    const [source] = datasources;
    expect(source?.type).toBe('prometheus');
    const used = [
      ...panels.flatMap(({ datasource, targets = [] }) => [
        datasource?.uid,
        ...targets.map((target) => target.datasource.uid),
      ]),
      ...dashboard.annotations.list.map(({ datasource }) => datasource.uid),
      ...dashboard.templating.list.map(({ datasource }) => datasource.uid),
    ];
    expect(new Set(used)).toEqual(new Set([source?.uid]));
  });

  it('has panels with ids and places of their own, titles and variables that exist', () => {
    const { panels: all } = dashboard;
    expect(new Set(all.map(({ id }) => id)).size).toBe(all.length);
    expect(all.filter(({ title }) => title.trim() === '')).toEqual([]);
    for (const { targets = [] } of panels)
      expect(new Set(targets.map(({ refId }) => refId)).size).toBe(targets.length);
    const taken = new Map<string, string>();
    for (const { gridPos: at, title } of all) {
      expect([title, at.x >= 0 && at.x + at.w <= 24 && at.w > 0 && at.h > 0]).toEqual([
        title,
        true,
      ]);
      for (let x = at.x; x < at.x + at.w; x++)
        for (let y = at.y; y < at.y + at.h; y++) {
          expect(taken.get(`${x},${y}`)).toBeUndefined();
          taken.set(`${x},${y}`, title);
        }
    }
    const variables = dashboard.templating.list.map(({ name }) => name);
    const used = JSON.stringify(dashboard.panels).matchAll(/\$(\w+)/g);
    for (const [, name = ''] of used) expect(['__rate_interval', ...variables]).toContain(name);
    for (const { definition } of dashboard.templating.list)
      expect(unknownIn(definition.replace(/^label_values\((\w+).*/, '$1'))).toEqual([]);
  });

  it.skipIf(!hasPromtool)('has queries that Prometheus can read (promtool)', () => {
    expect(checkQueries(queries)).toContain(`${queries.length} rules found`);
    expect(() => checkQueries(['sum(rate(up[5m])'])).toThrow(/promtool/);
  });
});
