import { createConfig, lintFromString } from '@redocly/openapi-core';
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { newDatabase, startGateway, type Answer, type TestGateway } from '../support/gateway.js';
import { cleanUp, cleanUps, start } from '../support/processes.js';

let gateway: TestGateway;
let description: Answer['body'];

beforeAll(async () => {
  gateway = await startGateway();
  description = (await gateway.call('GET', '/docs/json')).body;
});
afterAll(async () => {
  await cleanUp();
  await gateway.close();
});

it('passes the Redocly linter without errors and warnings', async () => {
  const rules = await readFile('redocly.yaml', 'utf8');
  const config = await createConfig(rules);
  const problems = await lintFromString({ source: JSON.stringify(description), config });
  expect(
    problems.map(({ severity, ruleId, message, location }) => [
      severity,
      ruleId,
      message,
      location[0]?.pointer,
    ]),
  ).toEqual([]);
});

it('is OpenAPI 3.1 and names a server', () => {
  expect(description.openapi).toBe('3.1.0');
  expect(description.servers).toEqual([expect.objectContaining({ url: '/' })]);
});

it('declares bearer authentication without a format', () => {
  expect(description.components.securitySchemes.bearer).toEqual({
    type: 'http',
    scheme: 'bearer',
    description: 'An API key of the gateway.',
  });
});

it('allows unknown fields in requests', () => {
  for (const name of ['CreateParseJobDto', 'CreateSplitJobDto', 'SplitDescriptionDto']) {
    expect(description.components.schemas[name]).toMatchObject({ additionalProperties: true });
  }
});

it('declares nullable fields as JSON Schema does', () => {
  expect(JSON.stringify(description)).not.toContain('nullable');
  expect(description.components.schemas.JobDto.properties.endedAt.type).toEqual(['string', 'null']);
});

it.each(['401', '403', '429', '500', '503'])(
  'describes %s at every route that needs a key',
  (status) => {
    const lacking = Object.entries<Record<string, { responses: Record<string, unknown> }>>(
      description.paths,
    )
      .filter(([path]) => path.startsWith('/v1/'))
      .flatMap(([path, operations]) =>
        Object.entries(operations)
          .filter(([, { responses }]) => !(status in responses))
          .map(([method]) => `${method} ${path}`),
      );
    expect(lacking).toEqual([]);
  },
);

it('is the same from the build as from the sources', async () => {
  const database = await newDatabase();
  cleanUps.push(() => database.drop());
  const { url } = await start({
    DATABASE_URL: database.url,
    REDUCTO_API_KEY: 'key',
    LOG_LEVEL: 'error',
  });
  const built = await (await fetch(`${url}/docs/json`)).json();
  expect(built).toEqual(description);
});
