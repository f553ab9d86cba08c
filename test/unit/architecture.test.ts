import { cruise, type ICruiseResult, type IFlattenedRuleSet } from 'dependency-cruiser';
import { expect, it } from 'vitest';

/** Lower folders know nothing of higher ones; on one level, nobody knows anybody. */
const LAYERS = [
  ['app'],
  ['console'],
  ['admin', 'doctor'],
  ['alerts', 'retention'],
  ['webhooks', 'reconciler', 'metrics'],
  ['jobs'],
  ['reducto', 'audit', 'access', 'tasks', 'health'],
  ['platform'],
];
const folder = (name: string): string => `^src/${name}/`;

const rules: IFlattenedRuleSet = {
  forbidden: [
    { name: 'no cycles', severity: 'error', from: {}, to: { circular: true } },
    ...LAYERS.flatMap((layer, level) =>
      layer
        .filter((name) => name !== 'app')
        .flatMap((name) => {
          const allowed = [name, ...LAYERS.slice(level + 1).flat()];
          return [
            {
              name: `${name} imports only down`,
              severity: 'error' as const,
              from: { path: folder(name) },
              to: { path: '^src/', pathNot: allowed.map(folder).join('|') },
            },
          ];
        }),
    ),
    {
      name: 'the way to Reducto is behind one door',
      severity: 'error',
      from: { pathNot: '^src/(reducto|sandbox)/' },
      to: { path: 'node_modules/(reductoai|undici)/' },
    },
    {
      name: 'the SDK of traces is behind one door',
      severity: 'error',
      from: { pathNot: '^src/platform/tracing/otlp\\.ts$' },
      to: {
        path: 'node_modules/@opentelemetry/(sdk-trace|exporter-trace|context-async|resources)',
      },
    },
    {
      name: 'that door opens only while traces are on',
      severity: 'error',
      from: {},
      to: { path: '^src/platform/tracing/otlp\\.ts$', dynamic: false },
    },
    {
      name: 'nobody imports the sandbox',
      severity: 'error',
      from: { pathNot: '^src/sandbox/' },
      to: { path: '^src/sandbox/' },
    },
    {
      name: 'the sandbox imports nobody',
      severity: 'error',
      from: { path: '^src/sandbox/' },
      to: { path: '^src/', pathNot: '^src/sandbox/' },
    },
    {
      name: 'stores are private to their folder',
      severity: 'error',
      from: { path: '^src/([^/]+)/' },
      to: { path: '\\.store\\.ts$', pathNot: '^src/$1/' },
    },
  ],
};

it('imports only go down, without cycles, and private things stay private', async () => {
  const { output } = await cruise(['src'], {
    ruleSet: rules,
    validate: true,
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: {
      extensions: ['.ts', '.tsx', '.js'],
      exportsFields: ['exports'],
      conditionNames: ['import'],
    },
  });
  const { summary } = output as ICruiseResult;
  expect(summary.totalCruised).toBeGreaterThan(80);
  expect(summary.violations.map(({ rule, from, to }) => `${rule.name}: ${from} → ${to}`)).toEqual(
    [],
  );
});
