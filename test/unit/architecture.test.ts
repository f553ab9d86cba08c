import { readdir } from 'node:fs/promises';
import { cruise, type ICruiseResult, type IFlattenedRuleSet } from 'dependency-cruiser';
import { expect, it } from 'vitest';

/** A folder imports only from the layers below its own. */
const LAYERS = [
  ['app'],
  ['dev'],
  ['console'],
  ['admin', 'doctor'],
  ['alerts', 'retention', 'reducto-api'],
  ['webhooks', 'reconciler', 'metrics', 'deliveries'],
  ['jobs'],
  ['reducto', 'audit', 'access', 'health'],
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
      name: 'sub-folders of a feature are private',
      severity: 'error',
      from: { path: '^src/([^/]+)' },
      to: { path: '^src/[^/]+/[^/]+/', pathNot: '^src/($1|platform)/' },
    },
    {
      name: 'only src/reducto and src/deliveries/sending import an HTTP client',
      severity: 'error',
      from: { pathNot: '^src/(reducto|sandbox|deliveries/sending)/' },
      to: { path: 'node_modules/(reductoai|undici)/' },
    },
    {
      name: 'only platform/tracing/otlp.ts imports the OpenTelemetry SDK',
      severity: 'error',
      from: { pathNot: '^src/platform/tracing/otlp\\.ts$' },
      to: {
        path: 'node_modules/@opentelemetry/(sdk-trace|exporter-trace|context-async|resources)',
      },
    },
    {
      name: 'platform/tracing/otlp.ts is imported dynamically',
      severity: 'error',
      from: {},
      to: { path: '^src/platform/tracing/otlp\\.ts$', dynamic: false },
    },
    {
      name: 'dev is imported dynamically, since the image does not have it',
      severity: 'error',
      from: { pathNot: '^src/dev/' },
      to: { path: '^src/dev/', dynamic: false, dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'the gateway does not import the sandbox',
      severity: 'error',
      from: { pathNot: '^src/sandbox/' },
      to: { path: '^src/sandbox/' },
    },
    {
      name: 'the sandbox does not import the gateway',
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

it('imports follow the layers, without cycles, and private folders stay private', async () => {
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

it('no folder of src holds more than 20 files', async () => {
  const entries = await readdir('src', { recursive: true, withFileTypes: true });
  const sizes = new Map<string, number>();
  for (const entry of entries) {
    if (entry.isFile()) sizes.set(entry.parentPath, (sizes.get(entry.parentPath) ?? 0) + 1);
  }
  expect([...sizes].filter(([, size]) => size > 20)).toEqual([]);
});
