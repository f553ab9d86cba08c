import { defineConfig } from 'vitest/config';
import { swaggerPlugin } from './test/support/swagger-plugin.js';

const report = process.env['GATEWAY_TEST_REPORT'];

export default defineConfig({
  plugins: [swaggerPlugin()],
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    // A test waits for a condition, never for a time: these limits only end a test that hangs, also on a loaded machine.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 60_000 } },
    // Two cores: more workers than that only make the timings of the tests noisier.
    maxWorkers: 2,
    ...(report === undefined
      ? {}
      : { reporters: ['default', 'json'], outputFile: { json: report } }),
  },
});
